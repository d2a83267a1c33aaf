/** Every variable that the webhooks service reads. */
import { storeVariables, wholeNumber } from '@meterhouse/runtime';
import { parseNetwork } from '@meterhouse/webhooks';
import { z } from 'zod';
import { BOUNDS } from './bounds.ts';

const { KAFKA_BROKERS, SCHEMA_REGISTRY_URL, DATABASE_URL, LOG_LEVEL } = storeVariables;
const { QUOTA_DECISIONS_TOPIC, USAGE_SNAPSHOTS_TOPIC } = storeVariables;

const list = z.string().transform((text) => text.split(',').map((part) => part.trim()));
const network = z.string().transform((text, context) => {
  try {
    return parseNetwork(text);
  } catch {
    context.addIssue({ code: 'custom', message: 'must be networks like 10.1.0.0/16, separated by commas' });
    return z.NEVER;
  }
});
const isKey = (text: string): boolean => Buffer.from(text, 'base64').length === 32;

export const variables = {
  KAFKA_BROKERS,
  SCHEMA_REGISTRY_URL,
  DATABASE_URL,
  QUOTA_DECISIONS_TOPIC,
  USAGE_SNAPSHOTS_TOPIC,
  LOG_LEVEL,
  /** 32 bytes in base64 that the webhooks' secrets are sealed with; before the others the newest one. */
  WEBHOOK_SECRET_KEY: list.pipe(
    z.array(z.string().refine(isKey, 'must be 32 bytes in base64')).min(1).max(8),
  ),
  /** Networks that may be called although they are not public, and by plain http: for tests, or receivers beside us. */
  WEBHOOK_ALLOWED_NETWORKS: list.pipe(z.array(network).max(64)).default([]),
  /** Consumer group of the decisions. */
  WEBHOOK_GROUP: z.string().min(1).default('meterhouse-webhooks'),
  /** How long Kafka waits for a silent member before others take its partitions. */
  SESSION_TIMEOUT_MS: wholeNumber(6_000, 300_000).default(15_000),
  /** Of one attempt, to the end of the answer. */
  WEBHOOK_TIMEOUT_MS: wholeNumber(100, 60_000).default(BOUNDS.send.timeoutMs),
  /** Seconds before each further attempt, at most; one attempt more than there are of these. */
  WEBHOOK_RETRY_SECONDS: list
    .pipe(z.array(wholeNumber(1, 604_800)).min(1).max(20))
    .default(BOUNDS.retryCeilingsMs.map((ms) => ms / 1_000)),
  /** Deliveries on their way at a time, of this process. */
  WEBHOOK_MAX_IN_FLIGHT: wholeNumber(1, 1_000).default(BOUNDS.maxInFlight),
  /** And to one webhook, over all processes. */
  WEBHOOK_MAX_PER_ENDPOINT: wholeNumber(1, 100).default(BOUNDS.maxPerSubscription),
  /** Hours that a webhook may fail before it is disabled. */
  WEBHOOK_DISABLE_AFTER_HOURS: wholeNumber(1, 720).default(BOUNDS.circuit.disableAfterMs / 3_600_000),
  /** Events of one webhook that are not delivered, at most. */
  WEBHOOK_MAX_WAITING: wholeNumber(1, 1_000_000).default(BOUNDS.maxWaiting),
  /** Days that a delivery is kept. */
  WEBHOOK_KEEP_DAYS: wholeNumber(70, 3_650).default(BOUNDS.keepMs / 86_400_000),
};
