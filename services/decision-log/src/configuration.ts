/** Every variable that the decision log reads. */
import { kafkaVariables, processVariables, storeVariables, wholeNumber } from '@meterhouse/runtime';
import { z } from 'zod';

const { SCHEMA_REGISTRY_URL, DATABASE_URL, QUOTA_DECISIONS_TOPIC } = storeVariables;

export const PURPOSE = 'keeps denials and warnings of enforcement points in Postgres, each once.';

export const variables = {
  ...kafkaVariables,
  SCHEMA_REGISTRY_URL,
  DATABASE_URL,
  QUOTA_DECISIONS_TOPIC,
  DECISION_LOG_GROUP: z
    .string()
    .min(1)
    .default('meterhouse-decision-log')
    .describe('Kafka consumer group; its offsets say how far decisions are kept.'),
  SESSION_TIMEOUT_MS: wholeNumber(6_000, 300_000)
    .default(15_000)
    .describe('How long Kafka waits for a silent instance before others take its partitions.'),
  DECISION_LOG_MAX_ROWS: wholeNumber(1, 10_000).default(500).describe('Decisions in one statement.'),
  DECISION_LOG_MAX_MIB: wholeNumber(1, 64)
    .default(4)
    .describe('Their messages together, in MiB; one message alone may be larger.'),
  DECISION_LOG_KEEP_DAYS: wholeNumber(1, 3_650)
    .default(400)
    .describe('Days that a decision is kept after it was received.'),
  RESERVATIONS_KEEP_DAYS: wholeNumber(1, 3_650)
    .default(30)
    .describe('Days that a reservation of capacity, and so its key, is kept after its end.'),
  ...processVariables,
};

export type Configuration = z.infer<z.ZodObject<typeof variables>>;
