/** Counts what counting does, for Prometheus. */
import type { ObservedFlush } from '@meterhouse/postgres/counting';
import type { SettledRecords } from '@meterhouse/postgres/flush';
import type { BoundedLabel, Metrics } from '@meterhouse/runtime/metrics';
import { QUARANTINE_REASONS } from '@meterhouse/usage';
import type { ConsumingObserver } from './counting-observer.ts';
import { COUNTING_METRICS } from './metrics.ts';

/** Sources with series of their own; the others are `other`. */
const MAX_SOURCES = 200;
const LATE_AFTER_SECONDS = 300;
const OUTCOMES = ['committed', 'already_counted', 'gap', 'halted'] as const;

type SettledRecord = SettledRecords[keyof SettledRecords][number];
type Instruments = ReturnType<typeof instrumentsIn>;

interface SourceInstruments {
  readonly label: string;
  readonly observeLateness: (seconds: number) => void;
  readonly late: (events: number) => void;
  /** Epoch ms. */
  lastSeen: number;
}

export class CountingInstruments implements ConsumingObserver {
  readonly #instruments: Instruments;
  readonly #labels: BoundedLabel;
  readonly #sources = new Map<string, SourceInstruments>();

  constructor(metrics: Metrics) {
    this.#instruments = instrumentsIn(metrics);
    this.#labels = metrics.bounded('source', MAX_SOURCES);
    // So that the first of them is seen as a rise, and not as where the series begins.
    for (const outcome of OUTCOMES) this.#instruments.flushes.inc({ outcome }, 0);
    for (const reason of QUARANTINE_REASONS) this.#instruments.quarantined.inc({ reason }, 0);
    metrics.gauge(COUNTING_METRICS.sourceLastSeen, () =>
      Array.from(this.#sources.values(), ({ label, lastSeen }) => ({
        labels: { source: label },
        value: lastSeen / 1_000,
      })),
    );
  }

  readonly flushed = ({ records, durationMs, isReplay, result }: ObservedFlush): void => {
    const { flushes, flushSeconds, flushEvents, replayed } = this.#instruments;
    flushes.inc({ outcome: result.kind });
    if (result.kind !== 'committed') return;
    flushSeconds.observe(durationMs / 1_000);
    flushEvents.observe(records);
    const { counted, duplicates, quarantined } = result.settled;
    if (isReplay) {
      // Their deliveries were counted when they came.
      replayed.inc({ outcome: 'counted' }, counted.length);
      replayed.inc({ outcome: 'duplicate' }, duplicates.length);
      replayed.inc({ outcome: 'still_refused' }, quarantined.length);
      return;
    }
    this.#delivered('counted', counted);
    this.#delivered('duplicate', duplicates);
    this.#delivered('quarantined', quarantined);
    for (const { refusal } of quarantined) this.#instruments.quarantined.inc({ reason: refusal.reason });
  };

  readonly retried = (): void => {
    this.#instruments.flushRetries.inc();
  };

  readonly assigned = (): void => {
    this.#instruments.rebalances.inc();
  };

  readonly consumerRestarted = (): void => {
    this.#instruments.consumerRestarts.inc();
  };

  #delivered(outcome: string, records: readonly SettledRecord[]): void {
    const tally = new Map<SourceInstruments, { events: number; late: number }>();
    for (const { event, origin } of records) {
      // What could not be read has no source that anybody could know.
      const source = this.#source(event === null ? 'unknown' : event.source);
      const sums = tally.get(source) ?? { events: 0, late: 0 };
      tally.set(source, sums);
      sums.events += 1;
      source.lastSeen = Math.max(source.lastSeen, origin.receivedAt);
      if (event === null) continue;
      const latenessSeconds = Math.max(0, origin.receivedAt - event.ts) / 1_000;
      if (latenessSeconds > LATE_AFTER_SECONDS) sums.late += 1;
      source.observeLateness(latenessSeconds);
    }
    for (const [source, { events, late }] of tally) {
      this.#instruments.events.inc({ source: source.label, outcome }, events);
      source.late(late);
    }
  }

  #source(name: string): SourceInstruments {
    const label = this.#labels.of(name === '' ? 'unnamed' : name);
    const known = this.#sources.get(label);
    if (known !== undefined) return known;
    const lateness = this.#instruments.lateness.labels(label);
    const late = this.#instruments.late.labels(label);
    const made: SourceInstruments = {
      label,
      observeLateness: (seconds) => {
        lateness.observe(seconds);
      },
      late: (events) => {
        late.inc(events);
      },
      lastSeen: 0,
    };
    this.#sources.set(label, made);
    return made;
  }
}

function instrumentsIn(metrics: Metrics) {
  return {
    flushSeconds: metrics.histogram(COUNTING_METRICS.flushSeconds),
    flushEvents: metrics.histogram(COUNTING_METRICS.flushEvents),
    flushes: metrics.counter(COUNTING_METRICS.flushes),
    flushRetries: metrics.counter(COUNTING_METRICS.flushRetries),
    events: metrics.counter(COUNTING_METRICS.events),
    quarantined: metrics.counter(COUNTING_METRICS.quarantined),
    replayed: metrics.counter(COUNTING_METRICS.replayed),
    lateness: metrics.histogram(COUNTING_METRICS.lateness),
    late: metrics.counter(COUNTING_METRICS.late),
    rebalances: metrics.counter(COUNTING_METRICS.rebalances),
    consumerRestarts: metrics.counter(COUNTING_METRICS.consumerRestarts),
  };
}
