/** The service: watches thresholds, follows decisions, and delivers. Several may run beside each other. */
import type { SchemaRegistry } from '@meterhouse/kafka';
import type { Pool } from '@meterhouse/postgres';
import { forgetDeliveries } from '@meterhouse/postgres/webhooks';
import type { SnapshotReader } from '@meterhouse/quota/reader';
import { ignore, Releases, type Logger, type RunningService } from '@meterhouse/runtime';
import type { SecretBox, TargetRules } from '@meterhouse/webhooks';
import type { Kafka } from 'kafkajs';
import { BOUNDS, type WebhookBounds } from './bounds.ts';
import { followDecisions } from './decisions/follow.ts';
import type { Attempted } from './deliver/attempt.ts';
import { DeliveryWorker } from './deliver/worker.ts';
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
  const releases = new Releases();
  const repeat = (what: string, round: () => Promise<number>): void => {
    const done = steadily(
      { what, signal: stopping.signal, retry: bounds.retry, random, logger },
      round,
    ).catch(fail);
    releases.add(what, () => done);
  };
  const worker = new DeliveryWorker(parts, fail);
  releases.add('delivering', () => worker.stop());
  const following = await followDecisions({ ...parts, topic: options.decisionsTopic, fail });
  releases.add('following decisions', () => following.stop());
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
    failed: failed.promise,
    stop: async (drain) => {
      stopping.abort();
      await releases.releaseAll(drain);
    },
  };
}
