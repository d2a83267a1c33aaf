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
import { Boundaries, ceilingsOf, periodsOf, Policies, type PolicyView } from '@meterhouse/quota';
import type { SnapshotReader } from '@meterhouse/quota/reader';
import { DAY_MS, HOUR_MS, hourOf, usedAmount } from '@meterhouse/usage';
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
    const at = { earliest: asOf, latest: Math.max(asOf, now()) };
    return this.#noticing.look(watchers, {
      ceilings: (lineage, metric) => this.#policies.ceilings(lineage, metric, at).active,
      find: ({ scope, metric, period }, root) => {
        const reading = reader.get(scope, metric, period);
        if (reading.state !== 'known' || reading.amount === 0n) return null;
        const span = periodsOf(this.#policy, root).of(period, reading.periodStart);
        // The calendar was changed, and the usage is of before: it is told when both agree.
        if (span.start !== reading.periodStart) return null;
        return { span, asOf: reading.asOf, final: false, used: () => reading.amount };
      },
    });
  }

  /** Hour by hour, since whichever calendar a period goes by, it ends with an hour. Totals do not end. */
  async #settle(watchers: readonly Watcher[], asOf: number): Promise<number> {
    const { pool, logger, now } = this.#parts;
    let added = 0;
    // Not the as-of: on a new system nothing was complete yet, and it is 0.
    let through = await settledThrough(pool, hourOf(now()));
    const oldest = hourOf(asOf - MAX_SETTLE_MS);
    if (through < oldest) {
      logger.error({ through, oldest }, 'periods ended too long ago to be held against thresholds');
      through = oldest;
    }
    // Complete through its end: nothing that was received before it is missing.
    for (let end = through + HOUR_MS; end <= asOf; end += HOUR_MS) {
      added += await this.#lookBack(watchers, end, asOf);
      await noteSettled(pool, end);
    }
    return added;
  }

  /** @param end of an hour: only periods that end with it are looked at */
  #lookBack(watchers: readonly Watcher[], end: number, asOf: number): Promise<number> {
    const { pool } = this.#parts;
    // The limits as they were in the end.
    const at = { earliest: end - 1, latest: end - 1 };
    // Whoever asked after its end does not want to hear of it.
    const watching = watchers.filter(({ createdAt }) => createdAt < end);
    return this.#noticing.look(watching, {
      ceilings: (lineage, metric) => ceilingsOf(this.#policy, lineage, metric, at, new Boundaries()).active,
      find: ({ scope, metric, period }, root) => {
        const span = periodsOf(this.#policy, root).of(period, end - 1);
        const aggregation = this.#policy.metric(metric)?.aggregation;
        if (span.end !== end || aggregation === undefined) return null;
        const used = async () => {
          const totals = await subtreeTotals(pool, scope, metric, { from: span.start, to: span.end });
          return totals === null ? null : usedAmount(totals, aggregation);
        };
        return { span, asOf, final: true, used };
      },
    });
  }
}
