/** What the service says of itself, for Prometheus and /readyz. */
import type { Pool } from '@meterhouse/postgres';
import { readOutboxStanding, type OutboxStanding } from '@meterhouse/postgres/webhooks';
import type { SnapshotReader } from '@meterhouse/quota/reader';
import { counter, gauge, type Metrics, type Observation } from '@meterhouse/runtime/metrics';
import { ProgressWatch, type Health, type PartProgress } from '@meterhouse/runtime/service';
import type { GroupStand } from '@meterhouse/kafka';
import type { Attempted } from './deliver/attempt.ts';
import type { RunningWebhooks } from './webhooks.ts';

export const WEBHOOK_METRICS = {
  attempts: counter({
    name: 'webhook_attempts_total',
    unit: 'attempts',
    help: 'Attempts at deliveries, by outcome: delivered, failed (it is tried again), dead.',
    labels: ['outcome'],
  }),
  inFlight: gauge({
    name: 'webhook_deliveries_in_flight',
    unit: 'deliveries',
    help: 'Deliveries that are on their way from this instance.',
  }),
  pending: gauge({
    name: 'webhook_deliveries_pending',
    unit: 'deliveries',
    help: 'Deliveries that wait to be sent, those that are tried again among them; counted up to 100,000. Every instance says the same.',
  }),
  overdue: gauge({
    name: 'webhook_delivery_overdue_seconds',
    unit: 'seconds',
    help: 'How long the first delivery whose turn it is has waited for a sender. Within seconds of 0; one that is tried again later, or whose receiver is being spared, is not waited for.',
  }),
  dead: gauge({
    name: 'webhook_deliveries_dead',
    unit: 'deliveries',
    help: 'Deliveries that were given up in the last 24 hours and were not replayed; counted up to 100,000.',
  }),
  webhooks: gauge({
    name: 'webhook_webhooks',
    unit: 'webhooks',
    help: 'Webhooks by how they stand: enabled; failing (their last attempt failed); disabled (by the service, after failing for too long); full (new events find no room).',
    labels: ['state'],
  }),
} as const;

/** @returns to be told how each attempt went */
export function countAttempts(metrics: Metrics): (outcome: Attempted) => void {
  const attempts = metrics.counter(WEBHOOK_METRICS.attempts);
  for (const outcome of ['delivered', 'failed', 'dead'] as const) attempts.inc({ outcome }, 0);
  return (outcome) => attempts.inc({ outcome });
}

export function exportState(
  { inFlight }: Pick<RunningWebhooks, 'inFlight'>,
  reader: Pick<SnapshotReader, 'status'>,
  { metrics, health }: { readonly metrics: Metrics; readonly health: Health },
): void {
  metrics.value(WEBHOOK_METRICS.inFlight, inFlight);
  health.part('watching', () =>
    reader.status().asOf === null ? 'nothing was heard of the snapshots yet: no threshold is watched' : null,
  );
}

const OUTBOX_EVERY_MS = 5_000;
const STANDS_EVERY_MS = 5_000;
const TIMEOUT_MS = 10_000;
const MAX_ROWS = 100_000;

/** What waits in Postgres. */
export function outboxObservation(
  pool: Pool,
  { metrics, everyMs = OUTBOX_EVERY_MS }: { readonly metrics: Metrics; readonly everyMs?: number },
): Observation {
  let standing: OutboxStanding | null = null;
  metrics.value(WEBHOOK_METRICS.pending, () => standing?.pending ?? null);
  metrics.value(WEBHOOK_METRICS.overdue, () => (standing === null ? null : (standing.overdueSeconds ?? 0)));
  metrics.value(WEBHOOK_METRICS.dead, () => standing?.dead ?? null);
  metrics.gauge(WEBHOOK_METRICS.webhooks, () =>
    Object.entries(standing?.webhooks ?? {}).map(([state, value]) => ({ labels: { state }, value })),
  );
  return {
    name: 'outbox',
    everyMs,
    timeoutMs: TIMEOUT_MS,
    look: async () => {
      standing = await readOutboxStanding(pool, MAX_ROWS);
    },
  };
}

interface Watched {
  readonly service: Pick<RunningWebhooks, 'progress' | 'following'>;
  /** How far the group is in the decisions. */
  readonly readStands: () => Promise<readonly GroupStand[]>;
  readonly stuckAfterMs: number;
}

/** /healthz: whether rounds end and decisions are followed. Slow receivers and nothing to do are no trouble. */
export function progressObservation(
  { service, readStands, stuckAfterMs }: Watched,
  { health, everyMs = STANDS_EVERY_MS }: { readonly health: Health; readonly everyMs?: number },
): Observation {
  let stands: readonly GroupStand[] = [];
  const watch = new ProgressWatch(stuckAfterMs);
  health.watch(() => {
    const mine = new Set(service.following());
    const followed = stands
      .filter(({ partition }) => mine.has(partition))
      .map(({ partition, nextOffset, logEnd }): [string, PartProgress] => [
        `decisions of partition ${partition}`,
        { position: nextOffset, waiting: logEnd > nextOffset },
      ]);
    watch.look(new Map([...service.progress(), ...followed]), performance.now());
    return watch.stuck(performance.now()).map(({ part, forMs }) => ({
      part,
      reason: `it has not moved for ${Math.round(forMs / 1_000)} s though there is work`,
    }));
  });
  return {
    name: 'decisions',
    everyMs,
    timeoutMs: TIMEOUT_MS,
    look: async () => {
      stands = await readStands();
    },
  };
}
