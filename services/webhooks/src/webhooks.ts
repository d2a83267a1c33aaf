/** The service: watches thresholds, follows decisions, and delivers. Several may run beside each other. */
import type { SchemaRegistry } from '@meterhouse/kafka';
import type { Pool } from '@meterhouse/postgres';
import { forgetDeliveries } from '@meterhouse/postgres/webhooks';
import type { SnapshotReader } from '@meterhouse/quota/reader';
import { Drain, ignore, type Logger, type RunningService } from '@meterhouse/runtime';
import type { PartProgress } from '@meterhouse/runtime/service';
import type { SecretBox, TargetRules } from '@meterhouse/webhooks';
import type { Kafka } from 'kafkajs';
import { BOUNDS, type WebhookBounds } from './bounds.ts';
import { followDecisions } from './decisions/follow.ts';
import type { Attempted } from './deliver/attempt.ts';
import { DeliveryWorker } from './deliver/worker.ts';
import { Rounds } from './progress.ts';
import { steadily } from './steady.ts';
import { ThresholdWatch } from './thresholds/watch.ts';

export interface WebhooksOptions {
  /** As role meterhouse_webhooks. */
  readonly pool: Pool;
  readonly kafka: Kafka;
  readonly schemas: SchemaRegistry;
  readonly decisionsTopic: string;
  readonly groupId: string;
  readonly sessionTimeoutMs: number;
  /** Closed by whoever opened it. */
  readonly reader: Pick<SnapshotReader, 'get' | 'policy' | 'status'>;
  readonly secrets: SecretBox;
  readonly target: TargetRules;
  readonly logger: Logger;
  /** Epoch ms. */
  readonly now: () => number;
  readonly random: () => number;
  /** UUIDs. */
  readonly newId: () => string;
  readonly bounds?: Partial<WebhookBounds>;
  /** Told how each attempt went. */
  readonly attempted?: (outcome: Attempted) => void;
}

export interface RunningWebhooks extends RunningService {
  /** Deliveries on their way. */
  inFlight(): number;
  /** The parts that go round by round, by name. */
  progress(): ReadonlyMap<string, PartProgress>;
  /** Partitions of the decisions that this instance follows. */
  following(): readonly number[];
}

export async function startWebhooks(options: WebhooksOptions): Promise<RunningWebhooks> {
  const { pool, logger, random } = options;
  const parts = { ...options, bounds: { ...BOUNDS, ...options.bounds } };
  const { bounds } = parts;
  const stopping = new AbortController();
  const failed = Promise.withResolvers<never>();
  // Whoever waits for it hears of it; nobody has to.
  failed.promise.catch(ignore);
  const fail = (error: unknown): void => {
    stopping.abort();
    failed.reject(error);
  };
  const rounds = new Map<string, Rounds>();
  const ends = new Map<string, (drain: Drain) => Promise<void>>();
  const repeat = (what: string, round: () => Promise<number>): void => {
    const own = new Rounds();
    rounds.set(what, own);
    const done = steadily(
      { what, signal: stopping.signal, retry: bounds.retry, random, logger, rounds: own },
      round,
    ).catch(fail);
    ends.set(what, () => done);
  };
  const worker = new DeliveryWorker(parts, fail);
  rounds.set('delivering', worker.rounds);
  ends.set('delivering', (drain) => worker.stop(drain));
  const following = await followDecisions({ ...parts, topic: options.decisionsTopic, fail });
  ends.set('following decisions', () => following.stop());
  const watch = new ThresholdWatch(parts);
  repeat('watching thresholds', async () => {
    const added = await watch.round();
    if (added > 0) logger.info({ events: added }, 'thresholds were reached');
    return bounds.watchMs;
  });
  repeat('forgetting old deliveries', async () => {
    const forgotten = await forgetDeliveries(pool, { keepMs: bounds.keepMs, maxRows: bounds.forgetRows });
    return forgotten >= bounds.forgetRows ? 0 : bounds.forgetEveryMs;
  });
  return {
    inFlight: () => worker.inFlight,
    progress: () => new Map(Array.from(rounds, ([what, own]) => [what, own.progress()])),
    following: () => following.partitions(),
    failed: failed.promise,
    stop: async (drain = Drain.within()) => {
      stopping.abort();
      // At once: what would go on sending while another part ends would have less time for it.
      await Promise.all(Array.from(ends, ([what, end]) => drain.end(what, end)));
    },
  };
}
