/** Every variable that the API reads. */
import { storeVariables, wholeNumber } from '@meterhouse/runtime';
import { z } from 'zod';

const {
  KAFKA_BROKERS,
  SCHEMA_REGISTRY_URL,
  DATABASE_URL,
  USAGE_EVENTS_TOPIC,
  USAGE_SNAPSHOTS_TOPIC,
  QUOTA_DECISIONS_TOPIC,
  LOG_LEVEL,
} = storeVariables;

const path = z.string().min(1).optional();

export const variables = {
  KAFKA_BROKERS,
  SCHEMA_REGISTRY_URL,
  DATABASE_URL,
  USAGE_EVENTS_TOPIC,
  USAGE_SNAPSHOTS_TOPIC,
  QUOTA_DECISIONS_TOPIC,
  LOG_LEVEL,
  API_HOST: z.string().min(1).default('127.0.0.1').describe('Address to listen on.'),
  API_PORT: wholeNumber(0, 65_535).default(8080).describe('Port to listen on; 0 takes a free one.'),
  TLS_CERT_FILE: path.describe('Certificate chain in PEM. Without it the API speaks plain HTTP, behind a proxy.'),
  TLS_KEY_FILE: path.describe('Its private key in PEM.'),
  OIDC_ISSUER: z.url().optional().describe('Issuer whose tokens are taken besides keys; none without it.'),
  OIDC_AUDIENCE: z.string().min(1).optional().describe('Audience that its tokens must name.'),
  OIDC_JWKS_URL: z.url().optional().describe("Where the issuer's keys are."),
  REDIS_URL: z
    .url()
    .optional()
    .describe('Where rates are counted over all processes; without it each process counts for itself.'),
  API_KEY_REQUESTS_PER_SECOND: wholeNumber(1, 1_000_000)
    .default(200)
    .describe('Requests a second for each key or token, with bursts of five seconds.'),
  DRAIN_TIMEOUT_MS: wholeNumber(1_000, 300_000)
    .default(10_000)
    .describe('How long requests under way may take after SIGTERM.'),
};
