/** Ties what the snapshot publisher exports, and what /healthz and /readyz say of it, to its status. */
import type { UsageSnapshot } from '@meterhouse/kafka';
import type { Metrics } from '@meterhouse/runtime/metrics';
import { ProgressWatch, type Health } from '@meterhouse/runtime/service';
import type { QuotaSnapshotStatus, RunningQuotaSnapshot } from '../quota-snapshot.ts';
import { SNAPSHOT_METRICS } from './metrics.ts';
import type { SnapshotObserver } from './observer.ts';

type Leading = Extract<QuotaSnapshotStatus, { role: 'leader' }>;

const KINDS = ['usage', 'document', 'registry', 'heartbeat'] as const satisfies UsageSnapshot['kind'][];
/** More batches than a term will have: a later term is always further. */
const TERM = 1n << 64n;

/** Counts what is published. */
export function snapshotInstruments(metrics: Metrics): SnapshotObserver {
  const messages = metrics.counter(SNAPSHOT_METRICS.messages);
  const publishSeconds = metrics.histogram(SNAPSHOT_METRICS.publishSeconds);
  const failures = metrics.counter(SNAPSHOT_METRICS.failures);
  const terms = metrics.counter(SNAPSHOT_METRICS.terms);
  for (const kind of KINDS) messages.inc({ kind }, 0);
  return {
    termBegan: () => {
      terms.inc();
    },
    published: (batch, durationMs) => {
      publishSeconds.observe(durationMs / 1_000);
      for (const { kind } of batch) messages.inc({ kind });
    },
    failed: () => {
      failures.inc();
    },
  };
}

export interface ObservedSnapshots {
  readonly service: Pick<RunningQuotaSnapshot, 'status'>;
  readonly maxBuckets: number;
  readonly stuckAfterMs: number;
  readonly metrics: Metrics;
  readonly health: Health;
  /** Epoch ms. */
  readonly now: () => number;
}

export function observeSnapshots(observed: ObservedSnapshots): void {
  const { service, maxBuckets, metrics, now } = observed;
  const ofLeader = (read: (status: Leading) => number | null) => (): number | null => {
    const status = service.status();
    return status.role === 'leader' ? read(status) : null;
  };
  metrics.value(SNAPSHOT_METRICS.leader, () => (service.status().role === 'leader' ? 1 : 0));
  metrics.value(
    SNAPSHOT_METRICS.epoch,
    ofLeader(({ epoch }) => epoch),
  );
  metrics.value(
    SNAPSHOT_METRICS.age,
    ofLeader((status) => ageSeconds(status, now())),
  );
  metrics.value(
    SNAPSHOT_METRICS.failing,
    ofLeader(({ error }) => (error === null ? 0 : 1)),
  );
  metrics.value(
    SNAPSHOT_METRICS.pendingKeys,
    ofLeader(({ pendingKeys }) => pendingKeys),
  );
  metrics.value(
    SNAPSHOT_METRICS.publishedKeys,
    ofLeader(({ publishedKeys }) => publishedKeys),
  );
  metrics.value(
    SNAPSHOT_METRICS.buckets,
    ofLeader(({ buckets }) => buckets),
  );
  metrics.value(SNAPSHOT_METRICS.bucketLimit, () => maxBuckets);
  metrics.value(
    SNAPSHOT_METRICS.unregistered,
    ofLeader(({ unregisteredBuckets }) => unregisteredBuckets),
  );
  watchPublishing(observed);
}

/** What is complete through 0 is complete through nothing that is known. */
function ageSeconds({ publishedThrough, since }: Leading, nowMs: number): number {
  const through = publishedThrough === null || publishedThrough === 0 ? since : publishedThrough;
  return Math.max(0, nowMs - through) / 1_000;
}

function watchPublishing({ service, stuckAfterMs, health }: ObservedSnapshots): void {
  const watch = new ProgressWatch(stuckAfterMs);
  health.watch(() => {
    const nowMs = performance.now();
    const status = service.status();
    const parts = new Map<string, { position: bigint; waiting: boolean }>();
    // A leader publishes a heartbeat each second at least, so there is always something to do.
    if (status.role === 'leader')
      parts.set('publishing', {
        position: BigInt(status.epoch) * TERM + BigInt(status.batches),
        waiting: true,
      });
    watch.look(parts, nowMs);
    return watch.stuck(nowMs).map(({ part, forMs }) => ({
      part,
      reason: `this instance leads and has published nothing for ${Math.round(forMs / 1_000)} s`,
    }));
  });
  health.part('publishing', () => {
    const status = service.status();
    switch (status.role) {
      case 'stopped':
        return 'it has stopped';
      case 'standby':
        return null;
      case 'leader':
        if (status.error !== null) return `it cannot publish, and tries again: ${status.error}`;
        return status.buckets === null ? 'usage is being loaded from Postgres' : null;
      default:
        return status satisfies never;
    }
  });
}
