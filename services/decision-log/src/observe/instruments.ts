/** Counts what the decision log does, and says how it stands, for Prometheus, /healthz and /readyz. */
import type { BoundedLabel, Metrics } from '@meterhouse/runtime/metrics';
import { ProgressWatch, type Health } from '@meterhouse/runtime/service';
import type { RunningDecisionLog } from '../decision-log.ts';
import type { Stand } from '../stands.ts';
import { DECISION_LOG_METRICS } from './metrics.ts';
import type { DecisionLogObserver } from './observer.ts';

/** The gate knows fewer; what else a message may say falls under `other`. */
const MAX_REASONS = 50;
const STORES = ['Postgres', 'the schema registry'] as const;
const UNREADABLE = ['undecodable', 'invalid_record', 'refused_by_store'] as const;

export class DecisionLogInstruments implements DecisionLogObserver {
  readonly #counters: ReturnType<typeof countersIn>;
  readonly #reasons: BoundedLabel;
  readonly #now: () => number;
  readonly #startedAt: number;
  #stands: readonly Stand[] = [];
  #assigned: readonly number[] | null = null;
  /** When a partition was last seen kept to its end, ms. */
  readonly #completeAt = new Map<number, number>();

  /** @param now ms, monotonic */
  constructor(metrics: Metrics, now: () => number = () => performance.now()) {
    this.#counters = countersIn(metrics);
    this.#reasons = metrics.bounded('reason', MAX_REASONS);
    this.#now = now;
    this.#startedAt = now();
    for (const reason of UNREADABLE) this.#counters.unreadable.inc({ reason }, 0);
    this.#exportStands(metrics);
  }

  readonly assigned = (partitions: readonly number[]): void => {
    this.#assigned = partitions;
    this.#counters.rebalances.inc();
  };

  readonly consumerRestarted = (): void => {
    this.#counters.consumerRestarts.inc();
  };

  readonly kept: DecisionLogObserver['kept'] = (decisions, isNew, unreadable) => {
    this.#counters.kept.inc(isNew);
    for (const { outcome, reason } of decisions)
      this.#counters.decisions.inc({ outcome, reason: this.#reasons.of(reason) });
    for (const { reason } of unreadable) this.#counters.unreadable.inc({ reason });
  };

  readonly batchKept = (durationMs: number): void => {
    this.#counters.writeSeconds.observe(durationMs / 1_000);
  };

  readonly stands = (stands: readonly Stand[]): void => {
    this.#stands = stands;
    for (const { partition, nextOffset, logEnd } of stands)
      if (nextOffset >= logEnd) this.#completeAt.set(partition, this.#now());
  };

  /** Where the running service itself has to be asked. */
  watch(
    { status }: Pick<RunningDecisionLog, 'status'>,
    { metrics, health, stuckAfterMs }: { metrics: Metrics; health: Health; stuckAfterMs: number },
  ): void {
    metrics.gauge(DECISION_LOG_METRICS.waiting, () =>
      STORES.map((store) => ({ labels: { store }, value: status().waitingFor === store ? 1 : 0 })),
    );
    health.part('keeping', () => {
      if (this.#assigned === null) return 'Kafka has not given this instance any partitions yet';
      const { waitingFor } = status();
      return waitingFor === null ? null : `decisions wait for ${waitingFor}; nothing is skipped`;
    });
    const watch = new ProgressWatch(stuckAfterMs);
    health.watch(() => {
      watch.look(this.#parts(), this.#now());
      return watch.stuck(this.#now()).map(({ part, forMs, position }) => ({
        part,
        reason: `decisions wait and none was kept for ${Math.round(forMs / 1_000)} s; it stands at offset ${position}`,
      }));
    });
  }

  #parts(): Map<string, { position: bigint; waiting: boolean }> {
    const mine = new Set(this.#assigned ?? []);
    return new Map(
      this.#stands
        .filter(({ partition }) => mine.has(partition))
        .map(({ partition, nextOffset, logEnd }) => [
          `partition ${partition}`,
          { position: nextOffset, waiting: logEnd > nextOffset },
        ]),
    );
  }

  #exportStands(metrics: Metrics): void {
    const each = (read: (stand: Stand) => number) => () =>
      this.#stands.map((stand) => ({ labels: { partition: String(stand.partition) }, value: read(stand) }));
    metrics.value(DECISION_LOG_METRICS.assigned, () => this.#assigned?.length ?? 0);
    metrics.gauge(
      DECISION_LOG_METRICS.lagEvents,
      each(({ nextOffset, logEnd }) => (logEnd > nextOffset ? Number(logEnd - nextOffset) : 0)),
    );
    metrics.gauge(
      DECISION_LOG_METRICS.lagSeconds,
      each(({ partition }) => (this.#now() - (this.#completeAt.get(partition) ?? this.#startedAt)) / 1_000),
    );
    metrics.gauge(
      DECISION_LOG_METRICS.lost,
      each(({ lost }) => (lost ? 1 : 0)),
    );
  }
}

function countersIn(metrics: Metrics) {
  return {
    decisions: metrics.counter(DECISION_LOG_METRICS.decisions),
    kept: metrics.counter(DECISION_LOG_METRICS.kept),
    unreadable: metrics.counter(DECISION_LOG_METRICS.unreadable),
    writeSeconds: metrics.histogram(DECISION_LOG_METRICS.writeSeconds),
    rebalances: metrics.counter(DECISION_LOG_METRICS.rebalances),
    consumerRestarts: metrics.counter(DECISION_LOG_METRICS.consumerRestarts),
  };
}
