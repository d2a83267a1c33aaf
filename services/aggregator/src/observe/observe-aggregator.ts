/** Ties what the aggregator exports to where it comes from: its memory, Postgres, Kafka. */
import {
  countAttributeSets,
  countOpenQuarantine,
  readCountingProgress,
  readTailerLag,
  type Pool,
} from '@meterhouse/postgres';
import type { ClickHouse } from '@meterhouse/clickhouse';
import type { Logger } from '@meterhouse/runtime';
import { observe, type Metrics, type Observation, type Observations } from '@meterhouse/runtime/metrics';
import { ProgressWatch, type Health } from '@meterhouse/runtime/service';
import { HOUR_MS, QUARANTINE_REASONS } from '@meterhouse/usage';
import type { RunningAggregator } from '../aggregator.ts';
import type { Mirror } from '../mirror/mirror.ts';
import { partsOf, stuckParts } from './liveness.ts';
import { MirrorDrift } from './mirror-drift.ts';
import { STANDING_METRICS, WORKER_METRICS } from './metrics.ts';
import { Standing } from './standing.ts';

export interface ObservedAggregator {
  readonly aggregator: Pick<RunningAggregator, 'bufferedBytes' | 'standing' | 'logRanges'>;
  readonly mirror: Pick<Mirror, 'status'>;
  readonly clickhouse: ClickHouse;
  /** Of its own, so that observing and counting never wait for each other. */
  readonly pool: Pool;
  readonly topic: string;
  readonly bounds: { readonly maxBufferedBytes: number; readonly maxChangeLogRows: number };
  readonly stuckAfterMs: number;
  readonly metrics: Metrics;
  readonly health: Health;
  readonly logger: Logger;
  /** Epoch ms. */
  readonly now: () => number;
  readonly times?: Partial<ObservationTimes>;
}

interface ObservationTimes {
  readonly progressEveryMs: number;
  readonly tailersEveryMs: number;
  readonly quarantineEveryMs: number;
  readonly attributesEveryMs: number;
  readonly comparisonEveryMs: number;
}

const TIMES: ObservationTimes = {
  progressEveryMs: 2_000,
  tailersEveryMs: 5_000,
  quarantineEveryMs: 15_000,
  attributesEveryMs: 300_000,
  comparisonEveryMs: 600_000,
};
const TIMEOUT_MS = 10_000;
/** Two days of buckets are read from both stores. */
const COMPARISON_TIMEOUT_MS = 300_000;
/** Rows looked at for one reason, or one metric. */
const MAX_ROWS = 100_000;
const MAX_METRICS = 100;
const ATTRIBUTES_BACK_MS = 24 * HOUR_MS;

export function observeAggregator(observed: ObservedAggregator): Observations {
  const standing = new Standing(observed.topic);
  exportStanding(observed, standing);
  exportWorker(observed);
  watchProgress(observed, standing);
  return observe(observationsOf(observed, standing), observed);
}

function observationsOf(observed: ObservedAggregator, standing: Standing): Observation[] {
  const { pool, aggregator, mirror, metrics, now } = observed;
  const drift = new MirrorDrift(observed);
  drift.exportTo(metrics);
  const times = { ...TIMES, ...observed.times };
  const each = (name: string, everyMs: number, look: () => Promise<void>): Observation => ({
    ...{ name, everyMs, look },
    timeoutMs: TIMEOUT_MS,
  });
  return [
    each('progress', times.progressEveryMs, async () => {
      standing.readProgress(await readCountingProgress(pool), now());
    }),
    each('log_ends', times.progressEveryMs, async () => {
      standing.readRanges(await aggregator.logRanges(), now());
    }),
    each('tailers', times.tailersEveryMs, async () => {
      standing.readTailers(await readTailerLag(pool), await readCountingProgress(pool));
    }),
    each('quarantine', times.quarantineEveryMs, async () => {
      standing.readQuarantine(await countOpenQuarantine(pool, QUARANTINE_REASONS, MAX_ROWS));
    }),
    each('attributes', times.attributesEveryMs, async () => {
      // The dearest question, so only one of the workers asks it.
      const asks = mirror.status().role === 'active';
      const from = now() - (now() % HOUR_MS) - ATTRIBUTES_BACK_MS;
      standing.readAttributeSets(asks ? await countAttributeSets(pool, from, MAX_ROWS) : [], MAX_METRICS);
    }),
    {
      name: 'mirror_comparison',
      everyMs: times.comparisonEveryMs,
      timeoutMs: COMPARISON_TIMEOUT_MS,
      look: async (signal) => {
        if (mirror.status().role === 'active') await drift.compare(signal);
        else drift.forget();
      },
    },
  ];
}

function exportStanding({ metrics, bounds, now }: ObservedAggregator, standing: Standing): void {
  const { lagSeconds, lagEvents, processedThroughAge, partitionHalted, ...others } = STANDING_METRICS;
  metrics.value(lagSeconds, () => standing.lagSeconds(now()));
  metrics.gauge(lagEvents, () => standing.lagEvents());
  metrics.gauge(processedThroughAge, () =>
    standing.partitions(now()).map(({ partition, ageSeconds }) => ({
      labels: { partition: String(partition) },
      value: ageSeconds,
    })),
  );
  metrics.gauge(partitionHalted, () =>
    standing.partitions(now()).map(({ partition, haltedReason }) => ({
      labels: { partition: String(partition) },
      value: haltedReason === null ? 0 : 1,
    })),
  );
  metrics.gauge(others.tailerLagSeconds, () => standing.tailerLagSeconds());
  metrics.gauge(others.tailerAge, () => standing.tailerAges(now()));
  metrics.gauge(others.tailerLagRows, () => standing.tailerLagRows());
  metrics.gauge(others.tailerResyncing, () => standing.tailersResyncing());
  metrics.value(others.changeLogLimit, () => bounds.maxChangeLogRows);
  metrics.gauge(others.quarantineOpen, () => standing.quarantineOpen(QUARANTINE_REASONS));
  metrics.gauge(others.quarantineOldest, () => standing.quarantineOldest(now()));
  metrics.gauge(others.attributeSets, () => standing.attributeSets());
}

function exportWorker({ metrics, aggregator, mirror, bounds, health }: ObservedAggregator): void {
  metrics.value(WORKER_METRICS.assignedPartitions, () => aggregator.standing().positions.size);
  metrics.value(WORKER_METRICS.bufferedBytes, () => aggregator.bufferedBytes());
  metrics.value(WORKER_METRICS.bufferLimit, () => bounds.maxBufferedBytes);
  const ofActive = (read: (status: Extract<ReturnType<Mirror['status']>, { role: 'active' }>) => number) => {
    const status = mirror.status();
    return status.role === 'active' ? read(status) : null;
  };
  metrics.value(WORKER_METRICS.mirrorActive, () => (mirror.status().role === 'active' ? 1 : 0));
  metrics.value(WORKER_METRICS.mirrorFailing, () => ofActive(({ error }) => (error === null ? 0 : 1)));
  metrics.value(WORKER_METRICS.mirrorBatches, () => ofActive(({ batches }) => batches));
  metrics.value(WORKER_METRICS.mirrorResyncs, () => ofActive(({ resyncs }) => resyncs));
  const whyNot = (): string | null => {
    const status = mirror.status();
    return status.role === 'active' && status.error !== null
      ? `it cannot pass changes on; nothing is lost: ${status.error}`
      : null;
  };
  // Counting goes on without ClickHouse.
  health.part('mirror', whyNot, { required: false });
}

function watchProgress(
  { aggregator, health, stuckAfterMs, now }: ObservedAggregator,
  standing: Standing,
): void {
  const watch = new ProgressWatch(stuckAfterMs);
  health.watch(() => {
    const nowMs = performance.now();
    watch.look(partsOf(aggregator.standing(), standing.partitions(now())), nowMs);
    return stuckParts(watch, nowMs);
  });
  health.part('counting', () => {
    const { assignments } = aggregator.standing();
    if (assignments.given === 0) return 'Kafka has not given this worker any partitions yet';
    if (assignments.settled < assignments.given) return 'the partitions are being taken over';
    const halted = standing.partitions(now()).filter(({ haltedReason }) => haltedReason !== null);
    if (halted.length === 0) return null;
    const named = halted.map(({ partition, haltedReason }) => `partition ${partition}: ${haltedReason}`);
    return `halted, see docs/runbooks/partition-halted.md: ${named.join('; ')}`;
  });
}
