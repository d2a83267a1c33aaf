/** What the service says of itself, for Prometheus and /readyz. */
import type { SnapshotReader } from '@meterhouse/quota/reader';
import { counter, gauge, type Metrics } from '@meterhouse/runtime/metrics';
import type { Health } from '@meterhouse/runtime/service';
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
