/**
 * Watches usage: again and again as the snapshots tell it, and once more after each period's end as Postgres
 * has it. So a threshold that was reached while this was not running, or in a period's last moment, is told
 * all the same.
 */
import {
  noteSettled,
  readWatchers,
  settledThrough,
  subtreeTotals,
  type Watcher,
} from '@meterhouse/postgres/webhooks';
import { Boundaries, ceilingsOf, periodEnd, Policies, type PolicyView } from '@meterhouse/quota';
import type { SnapshotReader } from '@meterhouse/quota/reader';
import { DAY_MS, periodStart, PERIODS, usedAmount, type Period } from '@meterhouse/usage';
import { Noticing, type NoticingParts } from './noticing.ts';

interface WatchParts extends Omit<NoticingParts, 'policy'> {
  readonly reader: Pick<SnapshotReader, 'get' | 'policy' | 'status'>;
}

const EVENT = 'usage.threshold_reached';
/** A period that ended longer ago is not looked at again. The outbox forgets by this. */
const MAX_SETTLE_MS = 31 * DAY_MS;

export class ThresholdWatch {
  readonly #parts: WatchParts;
  readonly #policy: PolicyView;
  readonly #noticing: Noticing;
  readonly #policies: Policies;

  constructor(parts: WatchParts) {
    this.#parts = parts;
    this.#policy = parts.reader.policy;
    this.#policies = new Policies(this.#policy);
    this.#noticing = new Noticing({ ...parts, policy: this.#policy });
  }

  /** @returns how many events were new; 0 while nothing was heard of the snapshots */
  async round(): Promise<number> {
    const { pool, reader } = this.#parts;
    const { asOf } = reader.status();
    if (asOf === null) return 0;
    const watchers = await readWatchers(pool, [EVENT]);
    const added = await this.#lookAtNow(watchers, asOf);
    return added + (await this.#settle(watchers, asOf));
  }

  async #lookAtNow(watchers: readonly Watcher[], asOf: number): Promise<number> {
    const { reader, now } = this.#parts;
    const latest = Math.max(asOf, now());
    const at = { earliest: asOf, latest };
    return this.#noticing.look(watchers, {
      ceilings: (lineage, metric) => this.#policies.ceilings(lineage, metric, at).active,
      periodStart: (period) => periodStart(period, latest),
      usage: ({ scope, metric, period }) => {
        const reading = reader.get(scope, metric, period);
        if (reading.state !== 'known') return null;
        return { amount: reading.amount, periodStart: reading.periodStart, asOf: reading.asOf, final: false };
      },
    });
  }

  async #settle(watchers: readonly Watcher[], asOf: number): Promise<number> {
    const { pool, logger } = this.#parts;
    let added = 0;
    for (const period of PERIODS) {
      let start = await settledThrough(pool, period, periodStart(period, asOf));
      const oldest = periodStart(period, asOf - MAX_SETTLE_MS);
      if (start < oldest) {
        logger.error({ period, start, oldest }, 'periods ended too long ago to be held against thresholds');
        start = oldest;
      }
      // Complete through its end: nothing that was received before it is missing.
      for (let end = periodEnd(period, start); end <= asOf; end = periodEnd(period, start)) {
        added += await this.#lookBack(watchers, period, { from: start, to: end }, asOf);
        await noteSettled(pool, period, end);
        start = end;
      }
    }
    return added;
  }

  #lookBack(
    watchers: readonly Watcher[],
    period: Period,
    span: { readonly from: number; readonly to: number },
    asOf: number,
  ): Promise<number> {
    const { pool } = this.#parts;
    // The limits as they were in the end.
    const at = { earliest: span.to - 1, latest: span.to - 1 };
    // Whoever asked after its end does not want to hear of it.
    const watching = watchers.filter(({ createdAt }) => createdAt < span.to);
    return this.#noticing.look(watching, {
      ceilings: (lineage, metric) => ceilingsOf(this.#policy, lineage, metric, at, new Boundaries()).active,
      periodStart: (of) => (of === period ? span.from : null),
      usage: async ({ scope, metric }) => {
        const aggregation = this.#policy.metric(metric)?.aggregation;
        const totals = aggregation === undefined ? null : await subtreeTotals(pool, scope, metric, span);
        if (aggregation === undefined || totals === null) return null;
        return { amount: usedAmount(totals, aggregation), periodStart: span.from, asOf, final: true };
      },
    });
  }
}
