/** Every variable that the decision log reads. */
import { storeVariables, wholeNumber } from '@meterhouse/runtime';
import { z } from 'zod';

const { KAFKA_BROKERS, SCHEMA_REGISTRY_URL, DATABASE_URL, QUOTA_DECISIONS_TOPIC, LOG_LEVEL } = storeVariables;

export const variables = {
  KAFKA_BROKERS,
  SCHEMA_REGISTRY_URL,
  DATABASE_URL,
  QUOTA_DECISIONS_TOPIC,
  LOG_LEVEL,
  /** Consumer group; its offsets say how far decisions are kept. */
  DECISION_LOG_GROUP: z.string().min(1).default('meterhouse-decision-log'),
  /** How long Kafka waits for a silent member before others take its partitions. */
  SESSION_TIMEOUT_MS: wholeNumber(6_000, 300_000).default(15_000),
  /** Decisions in one statement. */
  DECISION_LOG_MAX_ROWS: wholeNumber(1, 10_000).default(500),
  /** Their messages together, in MiB; one message alone may be larger. */
  DECISION_LOG_MAX_MIB: wholeNumber(1, 64).default(4),
  /** Days that a decision is kept after it was received. */
  DECISION_LOG_KEEP_DAYS: wholeNumber(1, 3_650).default(400),
  /** Days that a reservation of capacity, and so its key, is kept after its end. */
  RESERVATIONS_KEEP_DAYS: wholeNumber(1, 3_650).default(30),
};
