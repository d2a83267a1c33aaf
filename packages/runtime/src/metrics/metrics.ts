/** The instruments of one process, in a registry of its own. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { BoundedLabel } from './bounded-label.ts';
import {
  counter,
  gauge,
  type CounterDefinition,
  type GaugeDefinition,
  type HistogramDefinition,
} from './definition.ts';

/** One sample of a gauge: what is not there has no sample, rather than a 0 that looks like one. */
export interface Reading<Label extends string> {
  readonly labels: Readonly<Record<Label, string>>;
  readonly value: number;
}

/** What every service exports besides its own. */
export const COMMON_METRICS = {
  labelOverflow: counter({
    name: 'meterhouse_label_overflow_total',
    unit: 'observations',
    help: 'Observations that fell under "other" because the label had as many values as it may have.',
    labels: ['label'],
  }),
  partReady: gauge({
    name: 'meterhouse_part_ready',
    unit: '1 or 0',
    help: 'Whether a part of the service is ready; /readyz says why it is not.',
    labels: ['part'],
  }),
  stuckParts: gauge({
    name: 'meterhouse_stuck_parts',
    unit: 'parts',
    help: 'Parts with work waiting that have not moved for too long; /healthz names them.',
  }),
} as const;

/** What a service exports that asks stores on a schedule. */
export const OBSERVATION_METRICS = {
  observationAge: gauge({
    name: 'meterhouse_observation_age_seconds',
    unit: 'seconds',
    help: 'Age of what the gauges of a scheduled observation show; grows while its store cannot be asked.',
    labels: ['observation'],
  }),
  observationFailures: counter({
    name: 'meterhouse_observation_failures_total',
    unit: 'attempts',
    help: 'Scheduled observations that failed or took longer than they may.',
    labels: ['observation'],
  }),
} as const;

export class Metrics {
  readonly #registry = new Registry();
  readonly #overflow: Counter<'label'>;

  constructor() {
    collectDefaultMetrics({ register: this.#registry });
    this.#overflow = this.counter(COMMON_METRICS.labelOverflow);
  }

  counter<Label extends string>({ name, help, labels }: CounterDefinition<Label>): Counter<Label> {
    return new Counter({ name, help, labelNames: labels, registers: [this.#registry] });
  }

  /** A counter that somebody else keeps. @param read asked at each scrape; never less than before */
  total(definition: CounterDefinition<never>, read: () => number): void {
    this.totals(definition, () => [{ labels: {}, value: read() }]);
  }

  /** Counters that somebody else keeps, by label. @param read asked at each scrape; never less than before */
  totals<Label extends string>(
    { name, help, labels }: CounterDefinition<Label>,
    read: () => Iterable<Reading<Label>>,
  ): void {
    const shown = new Counter<Label>({
      name,
      help,
      labelNames: labels,
      registers: [this.#registry],
      collect: () => {
        shown.reset();
        for (const reading of read()) shown.inc(reading.labels, reading.value);
      },
    });
  }

  histogram<Label extends string>(definition: HistogramDefinition<Label>): Histogram<Label> {
    const { name, help, labels, buckets } = definition;
    return new Histogram({
      name,
      help,
      labelNames: labels,
      buckets: [...buckets],
      registers: [this.#registry],
    });
  }

  /** @param read asked at each scrape: from memory, never from a store */
  gauge<Label extends string>(
    { name, help, labels }: GaugeDefinition<Label>,
    read: () => Iterable<Reading<Label>>,
  ): void {
    const shown = new Gauge<Label>({
      name,
      help,
      labelNames: labels,
      registers: [this.#registry],
      collect: () => {
        shown.reset();
        // prom-client gives a gauge without labels a 0 of its own accord.
        if (labels.length === 0) shown.remove();
        for (const reading of read()) shown.set(reading.labels, reading.value);
      },
    });
  }

  /** A gauge without labels; null while there is nothing to show. */
  value(definition: GaugeDefinition<never>, read: () => number | null): void {
    this.gauge(definition, () => {
      const value = read();
      return value === null ? [] : [{ labels: {}, value }];
    });
  }

  /** @param label as it is called in what is counted beyond the bound */
  bounded(label: string, max: number): BoundedLabel {
    const overflow = this.#overflow.labels(label);
    return new BoundedLabel(max, () => {
      overflow.inc();
    });
  }

  /** In the text format of Prometheus. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }
}
