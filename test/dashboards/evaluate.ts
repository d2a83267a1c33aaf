/** Asks a Prometheus every query of every panel, until each has returned data or the time is over. */
import { pause } from '@meterhouse/runtime';
import type { RunningPrometheus } from '../monitoring/prometheus.ts';
import { asked, queriesOf, readDashboards, type DashboardQuery } from './dashboards.ts';

export interface Evaluated extends DashboardQuery {
  /** In the newest answer that had any. */
  readonly series: number;
  /** The highest of its values; null: none was a number, or there was no answer at all. */
  readonly sample: number | null;
}

const EVERY_MS = 2_000;

/**
 * @param options.window that rates look back on
 * @returns in the order of the dashboards; a query without a sample has failed
 */
export async function evaluateAll(
  prometheus: Pick<RunningPrometheus, 'query'>,
  options: { readonly window: string; readonly deadlineMs: number; readonly signal: AbortSignal },
): Promise<readonly Evaluated[]> {
  const until = performance.now() + options.deadlineMs;
  let open: readonly DashboardQuery[] = [...readDashboards()].flatMap(([name, dashboard]) =>
    queriesOf(name, dashboard),
  );
  const order = open;
  const seen = new Map<DashboardQuery, Evaluated>();
  for (;;) {
    for (const query of open) seen.set(query, await evaluate(prometheus, query, options.window));
    open = open.filter((query) => seen.get(query)?.sample === null);
    if (open.length === 0 || performance.now() >= until || options.signal.aborted) break;
    await pause(EVERY_MS, options.signal);
  }
  return order.flatMap((query) => seen.get(query) ?? []);
}

async function evaluate(
  prometheus: Pick<RunningPrometheus, 'query'>,
  query: DashboardQuery,
  window: string,
): Promise<Evaluated> {
  const samples = await prometheus.query(asked(query.expr, window));
  // 0 / 0 is an answer, and shows nothing.
  const numbers = samples.map(({ value }) => value).filter((value) => Number.isFinite(value));
  return { ...query, series: samples.length, sample: numbers.length === 0 ? null : Math.max(...numbers) };
}
