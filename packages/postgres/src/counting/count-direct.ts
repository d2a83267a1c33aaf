/** Counts events directly, however often Postgres goes away meanwhile. */
import type { PoolClient } from 'pg';
import {
  DIRECT_SOURCE,
  flushDirect,
  settle,
  UnsettledError,
  type FlushResult,
  type Unsettled,
} from '../flush/index.ts';
import { inTransaction } from '../transaction.ts';
import type { DecodedRecord } from './check-records.ts';
import { checkNow, untilCounted, type Checked, type CountingDeps, type CountResult } from './count-run.ts';

export interface DirectRun {
  /** In order; their offsets begin at 0. */
  readonly records: readonly DecodedRecord[];
  /** The lane that is taken where it is free. */
  readonly lane: number;
  /** What else belongs into the transaction. False: it is not to be counted after all. */
  readonly within?: (client: PoolClient) => Promise<boolean>;
  readonly abandoned: () => boolean;
}

/** `withheld`: `within` said no, and nothing was changed. */
export type DirectOutcome = CountResult | { readonly kind: 'withheld' };

/**
 * The direct lanes have to be there.
 * @returns null when abandoned
 * @throws what cannot be retried, or what was still failing after postgresTimeoutMs
 */
export async function countDirect(deps: CountingDeps, run: DirectRun): Promise<DirectOutcome | null> {
  const startedAt = performance.now();
  let lane = run.lane;
  let unsettled: Unsettled | null = null;
  const attempt = async (checked: Checked): Promise<FlushResult | { readonly kind: 'withheld' }> => {
    if (unsettled !== null) {
      const before: Unsettled = unsettled;
      // Asked under the run's own rules: a server that is still away is waited for.
      const became = await inTransaction(deps.pool, (client) => settle(client, before));
      unsettled = null;
      lane = before.lane;
      if (became === 'committed') return before.result;
    }
    await deps.periods.ensureFor(checked.accepted);
    try {
      const counted = await flushDirect(directFlush(deps, run, checked), {
        records: run.records.length,
        registryVersion: checked.registry.version,
        accepted: checked.accepted,
        refused: checked.refused,
      });
      if (counted.result === null) return { kind: 'withheld' };
      lane = counted.lane;
      return counted.result;
    } catch (error) {
      if (error instanceof UnsettledError) unsettled = error.unsettled;
      throw error;
    }
  };
  const check = (): Promise<Checked> => checkNow(deps, run.records);
  const counted = await untilCounted(deps, { source: DIRECT_SOURCE }, { check }, attempt, run.abandoned);
  if (counted === null) return null;
  const { result, records } = counted;
  if (result.kind !== 'withheld')
    deps.observer.flushed({
      source: DIRECT_SOURCE,
      partition: lane,
      records,
      durationMs: performance.now() - startedAt,
      isReplay: false,
      result,
    });
  return result;
}

function directFlush(
  deps: CountingDeps,
  run: DirectRun,
  checked: Checked,
): Parameters<typeof flushDirect>[0] {
  return {
    pool: deps.pool,
    registry: checked.registry,
    lane: run.lane,
    failpoint: deps.failpoint,
    ...(run.within === undefined ? {} : { within: run.within }),
  };
}
