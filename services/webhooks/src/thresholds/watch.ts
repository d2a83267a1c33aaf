/**
 * Watches usage: again and again as the snapshots tell it, and after each period's end as Postgres has it:
 * when everything that was received before the end is counted, when the time is over in which events are not
 * late yet, and whenever late ones came. So a threshold that was reached while this was not running, in a
 * period's last moment, or by events that came after it, is told all the same.
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
import { DAY_MS, GRACE_MS, HOUR_MS, hourOf, usedAmount } from '@meterhouse/usage';
import type { WebhookBounds } from '../bounds.ts';
import { LateEvents } from './late-events.ts';
import { Noticing, type NoticingParts } from './noticing.ts';

interface WatchParts extends Omit<NoticingParts, 'policy'> {
  readonly reader: Pick<SnapshotReader, 'get' | 'policy' | 'status'>;
  readonly bounds: NoticingParts['bounds'] & Pick<WebhookBounds, 'lateMs'>;
}

const EVENT = 'usage.threshold_reached';
/** A period that ended longer ago is not looked at again. The outbox forgets by this. */
const MAX_SETTLE_MS = 31 * DAY_MS;

/** How ended periods are looked at. */
interface LookedBack {
  /** Of an hour; only periods that end with it are looked at. Epoch ms. */
  readonly end: number;
  readonly asOf: number;
  readonly late: boolean;
  /** By tenant, the metrics that are looked at; all where it is left out. */
  readonly of?: ReadonlyMap<string, ReadonlySet<string>>;
}

export class ThresholdWatch {
  readonly #parts: WatchParts;
  readonly #policy: PolicyView;
  readonly #noticing: Noticing;
  readonly #policies: Policies;
  readonly #late: LateEvents;
  /** Epoch ms. */
  #lateAt = -Infinity;
  /** Periods that ended by then were looked at after their grace; null: not known yet. Epoch ms. */
  #graced: number | null = null;

  constructor(parts: WatchParts) {
    this.#parts = parts;
    this.#policy = parts.reader.policy;
    this.#policies = new Policies(this.#policy);
    this.#late = new LateEvents(parts.pool, this.#policy);
    this.#noticing = new Noticing({ ...parts, policy: this.#policy });
  }

  /** @returns how many events were new; 0 while nothing was heard of the snapshots */
  async round(): Promise<number> {
    const { pool, reader } = this.#parts;
    const { asOf } = reader.status();
    if (asOf === null) return 0;
    const watchers = await readWatchers(pool, [EVENT]);
    const added = await this.#lookAtNow(watchers, asOf);
    // Not the as-of: on a new system nothing was complete yet, and it is 0.
    const before = await settledThrough(pool, hourOf(this.#parts.now()));
    const settled = await this.#settle(watchers, before, asOf);
    const graced = await this.#settleAgain(watchers, before, asOf);
    return added + settled + graced + (await this.#lookAtLate(watchers, asOf));
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
        return { span, asOf: reading.asOf, final: false, late: false, used: () => reading.amount };
      },
    });
  }

  /** Hour by hour, since whichever calendar a period goes by, it ends with an hour. Totals do not end. */
  async #settle(watchers: readonly Watcher[], before: number, asOf: number): Promise<number> {
    const { pool, logger } = this.#parts;
    let added = 0;
    let through = before;
    const oldest = hourOf(asOf - MAX_SETTLE_MS);
    if (through < oldest) {
      logger.error({ through, oldest }, 'periods ended too long ago to be held against thresholds');
      through = oldest;
    }
    // Complete through its end: nothing that was received before it is missing.
    for (let end = through + HOUR_MS; end <= asOf; end += HOUR_MS) {
      added += await this.#lookBack(watchers, { end, asOf, late: false });
      await noteSettled(pool, end);
    }
    return added;
  }

  /** What was counted for an hour within its grace does not count as late. A restart does the last one again. */
  async #settleAgain(watchers: readonly Watcher[], before: number, asOf: number): Promise<number> {
    let graced = Math.max(this.#graced ?? before - HOUR_MS, hourOf(asOf - MAX_SETTLE_MS));
    let added = 0;
    for (let end = graced + HOUR_MS; end + GRACE_MS <= asOf; end += HOUR_MS) {
      added += await this.#lookBack(watchers, { end, asOf, late: true });
      graced = end;
    }
    this.#graced = graced;
    return added;
  }

  async #lookAtLate(watchers: readonly Watcher[], asOf: number): Promise<number> {
    const { now, bounds } = this.#parts;
    if (this.#graced === null || watchers.length === 0) return 0;
    if (Math.abs(now() - this.#lateAt) < bounds.lateMs) return 0;
    const oldest = hourOf(asOf - MAX_SETTLE_MS);
    const { ends, wrapped, done } = await this.#late.next({ oldest, settledThrough: this.#graced });
    let added = 0;
    for (const [end, of] of ends) added += await this.#lookBack(watchers, { end, asOf, late: true, of });
    done();
    if (wrapped) this.#lateAt = now();
    return added;
  }

  #lookBack(watchers: readonly Watcher[], { end, asOf, late, of }: LookedBack): Promise<number> {
    const { pool } = this.#parts;
    // The limits as they were in the end.
    const at = { earliest: end - 1, latest: end - 1 };
    // Whoever asked after its end does not want to hear of it.
    const watching = watchers.filter(({ createdAt }) => createdAt < end);
    return this.#noticing.look(watching, {
      ...(of && { tenants: of }),
      ceilings: (lineage, metric) => ceilingsOf(this.#policy, lineage, metric, at, new Boundaries()).active,
      find: ({ scope, metric, period }, root) => {
        if (of?.get(scope)?.has(metric) === false) return null;
        const span = periodsOf(this.#policy, root).of(period, end - 1);
        const aggregation = this.#policy.metric(metric)?.aggregation;
        if (span.end !== end || aggregation === undefined) return null;
        const used = async () => {
          const totals = await subtreeTotals(pool, scope, metric, { from: span.start, to: span.end });
          return totals === null ? null : usedAmount(totals, aggregation);
        };
        return { span, asOf, final: true, late, used };
      },
    });
  }
}
