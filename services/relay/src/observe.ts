/** What the relay exports, and what /healthz and /readyz say of it. */
import type { Pool } from '@meterhouse/postgres';
import { readOutboxStand, type OutboxStand } from '@meterhouse/postgres/outbox';
import {
  counter,
  gauge,
  histogram,
  observe,
  type Metrics,
  type Observations,
} from '@meterhouse/runtime/metrics';
import { ProgressWatch, type Health } from '@meterhouse/runtime/service';
import type { Logger } from '@meterhouse/runtime';
import type { LaneObserver } from './lane-worker.ts';
import type { RunningRelay } from './relay.ts';

export const RELAY_METRICS = {
  waiting: gauge({
    name: 'usage_outbox_waiting_events',
    unit: 'events',
    help: 'Events that wait in a lane of the outbox, as far as they are counted (100,000).',
    labels: ['lane'],
  }),
  oldestAge: gauge({
    name: 'usage_outbox_oldest_age_seconds',
    unit: 'seconds',
    help: 'Age of the event that has waited longest in any lane; 0 when nothing waits.',
  }),
  laneBound: gauge({
    name: 'usage_outbox_lane_bound_events',
    unit: 'events',
    help: 'Events that may wait in one lane; at the bound recordIn refuses with buffer_full.',
  }),
  unheldLanes: gauge({
    name: 'usage_outbox_unheld_lanes',
    unit: 'lanes',
    help: 'Lanes that no relay works, of all relays together. 0 but for moments.',
  }),
  lanes: gauge({
    name: 'usage_relay_lanes',
    unit: 'lanes',
    help: 'Lanes that this relay works.',
  }),
  failingLanes: gauge({
    name: 'usage_relay_failing_lanes',
    unit: 'lanes',
    help: 'Lanes of this relay whose last attempt failed; /readyz says why.',
  }),
  relayed: counter({
    name: 'usage_relay_events_total',
    unit: 'events',
    help: 'Events that arrived and were taken out of the outbox.',
  }),
  failures: counter({
    name: 'usage_relay_failures_total',
    unit: 'attempts',
    help: 'Attempts at relaying a batch that failed; each is made again.',
  }),
  batchSeconds: histogram({
    name: 'usage_relay_batch_seconds',
    unit: 'seconds',
    help: 'From reading a batch until it has arrived and left the outbox.',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  }),
  delaySeconds: histogram({
    name: 'usage_relay_delay_seconds',
    unit: 'seconds',
    help: 'From recording the first event of a batch until the batch has arrived.',
    buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600],
  }),
} as const;

const COUNTED_ROWS = 100_000;
const LOOK = { everyMs: 2_000, timeoutMs: 10_000 };

export function relayInstruments(metrics: Metrics, now: () => number): LaneObserver {
  const relayed = metrics.counter(RELAY_METRICS.relayed);
  const failures = metrics.counter(RELAY_METRICS.failures);
  const batchSeconds = metrics.histogram(RELAY_METRICS.batchSeconds);
  const delaySeconds = metrics.histogram(RELAY_METRICS.delaySeconds);
  return {
    relayed: (events, oldestMs, durationMs) => {
      relayed.inc(events);
      batchSeconds.observe(durationMs / 1_000);
      delaySeconds.observe(Math.max(0, now() - oldestMs) / 1_000);
    },
    failed: () => {
      failures.inc();
    },
  };
}

export interface ObservedRelay {
  readonly relay: RunningRelay;
  readonly pool: Pool;
  readonly stuckAfterMs: number;
  readonly metrics: Metrics;
  readonly health: Health;
  readonly logger: Logger;
  /** Epoch ms. */
  readonly now: () => number;
}

export function observeRelay(observed: ObservedRelay): Observations {
  const { relay, pool, metrics, health, logger, now } = observed;
  let stand: OutboxStand | null = null;
  const lanes = () => stand?.lanes ?? [];
  metrics.gauge(RELAY_METRICS.waiting, () =>
    lanes().map(({ lane, waiting }) => ({ labels: { lane: lane.toString() }, value: waiting })),
  );
  metrics.value(RELAY_METRICS.oldestAge, () => {
    if (stand === null) return null;
    const oldest = Math.min(...lanes().map((lane) => lane.oldest ?? Infinity));
    return Number.isFinite(oldest) ? Math.max(0, now() - oldest) / 1_000 : 0;
  });
  metrics.value(RELAY_METRICS.laneBound, () => (stand === null ? null : Number(stand.maxRowsPerLane)));
  metrics.value(RELAY_METRICS.unheldLanes, () =>
    stand === null ? null : lanes().filter(({ isHeld }) => !isHeld).length,
  );
  metrics.value(RELAY_METRICS.lanes, () => relay.standing().length);
  const failing = () => relay.standing().filter(({ problem }) => problem !== null);
  metrics.value(RELAY_METRICS.failingLanes, () => failing().length);
  health.part('relaying', () => {
    const [first] = failing();
    return first === undefined ? null : `lane ${first.lane} cannot be relayed: ${first.problem}`;
  });
  watchProgress(observed, lanes);
  return observe(
    [{ name: 'outbox', ...LOOK, look: async () => void (stand = await readOutboxStand(pool, COUNTED_ROWS)) }],
    { metrics, logger },
  );
}

/** A lane of ours with events waiting has to move; so have the claims, always. */
function watchProgress(
  { relay, stuckAfterMs, health }: ObservedRelay,
  lanes: () => OutboxStand['lanes'],
): void {
  const watch = new ProgressWatch(stuckAfterMs);
  health.watch(() => {
    const nowMs = performance.now();
    const held = new Map(relay.standing().map((one) => [one.lane, one.problem]));
    const parts = new Map([['claiming lanes', { position: relay.claims(), waiting: true }]]);
    for (const { lane, relayedSeq, waiting } of lanes())
      // A lane that says why it waits (the broker is away) is not mended by a restart.
      if (held.get(lane) === null) parts.set(`lane ${lane}`, { position: relayedSeq, waiting: waiting > 0 });
    watch.look(parts, nowMs);
    return watch.stuck(nowMs).map(({ part, forMs }) => ({
      part,
      reason: `it has not moved for ${Math.round(forMs / 1_000)} s though there is work`,
    }));
  });
}
