/** Every variable that the webhooks service reads. */
import { kafkaVariables, processVariables, storeVariables, wholeNumber } from '@meterhouse/runtime';
import { webhookVariables } from '@meterhouse/webhooks';
import { z } from 'zod';
import { BOUNDS } from './bounds.ts';

const { SCHEMA_REGISTRY_URL, DATABASE_URL } = storeVariables;
const { QUOTA_DECISIONS_TOPIC, USAGE_SNAPSHOTS_TOPIC } = storeVariables;

export const PURPOSE = 'tells webhooks of thresholds that usage reached, and of denials and warnings.';

export const variables = {
  ...kafkaVariables,
  SCHEMA_REGISTRY_URL,
  DATABASE_URL,
  QUOTA_DECISIONS_TOPIC,
  USAGE_SNAPSHOTS_TOPIC,
  ...webhookVariables,
  WEBHOOK_GROUP: z
    .string()
    .min(1)
    .default('meterhouse-webhooks')
    .describe('Kafka consumer group; its offsets say how far decisions are told.'),
  SESSION_TIMEOUT_MS: wholeNumber(6_000, 300_000)
    .default(15_000)
    .describe('How long Kafka waits for a silent instance before others take its partitions.'),
  WEBHOOK_TIMEOUT_MS: wholeNumber(100, 60_000)
    .default(BOUNDS.send.timeoutMs)
    .describe('How long one attempt may take, to the end of the answer.'),
  WEBHOOK_RETRY_SECONDS: z
    .string()
    .transform((text) => text.split(',').map((part) => part.trim()))
    .pipe(z.array(wholeNumber(1, 604_800)).min(1).max(20))
    .default(BOUNDS.retryCeilingsMs.map((ms) => ms / 1_000))
    .describe('The longest wait before each further attempt, in seconds; after the last one it is dead.'),
  WEBHOOK_MAX_IN_FLIGHT: wholeNumber(1, 1_000)
    .default(BOUNDS.maxInFlight)
    .describe('Deliveries on their way at a time, of this instance.'),
  WEBHOOK_MAX_PER_ENDPOINT: wholeNumber(1, 100)
    .default(BOUNDS.maxPerSubscription)
    .describe('Deliveries on their way to one webhook, of all instances.'),
  WEBHOOK_DISABLE_AFTER_HOURS: wholeNumber(1, 720)
    .default(BOUNDS.circuit.disableAfterMs / 3_600_000)
    .describe('How long a webhook may fail before it is disabled.'),
  WEBHOOK_MAX_WAITING: wholeNumber(1, 1_000_000)
    .default(BOUNDS.maxWaiting)
    .describe('Events of one webhook that are not delivered, at most.'),
  WEBHOOK_KEEP_DAYS: wholeNumber(70, 3_650)
    .default(BOUNDS.keepMs / 86_400_000)
    .describe('Days that a delivery is kept after it was made; of a threshold of a total, always.'),
  ...processVariables,
};

export type Configuration = z.infer<z.ZodObject<typeof variables>>;
