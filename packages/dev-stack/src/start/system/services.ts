/** The services of ours that run beside the stack, and what they are told. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TOPICS } from '@meterhouse/kafka';
import { keptSecret } from '../../data-dir/kept-secret.ts';
import type { Endpoints } from '../../stack.ts';
import { startServiceProcess } from '../supervision/service-process.ts';
import type { Supervised } from '../supervision/supervisor.ts';

/** Found by their place in the repository: a package does not import a service. */
const SCRIPTS = {
  aggregator: '../../../../../services/aggregator/src/main.ts',
  'quota-snapshot': '../../../../../services/quota-snapshot/src/main.ts',
  'decision-log': '../../../../../services/decision-log/src/main.ts',
  webhooks: '../../../../../services/webhooks/src/main.ts',
  relay: '../../../../../services/relay/src/main.ts',
  api: '../../../../../services/api/src/main.ts',
} as const;

export type ServiceName = keyof typeof SCRIPTS;
export const SERVICE_NAMES = Object.keys(SCRIPTS) as readonly ServiceName[];

const CLICKHOUSE_DATABASE = 'meterhouse';

/**
 * A killed member's partitions go to the next one after this long. Shorter than in production, so
 * that a killed aggregator is not missed for long.
 */
const SESSION_TIMEOUT_MS = 10_000;

export function logPathOf(dataDir: string, name: string): string {
  return join(dataDir, 'logs', `${name}.log`);
}

/** Under which the data dir remembers it: Prometheus finds the same port after a restart. */
export function metricsPortName(service: ServiceName): `metrics of ${ServiceName}` {
  return `metrics of ${service}`;
}

/** Under which the data dir remembers it: what was written down yesterday works today. */
export const API_PORT_NAME = 'api';

export function serviceVariables(
  endpoints: Omit<Endpoints, 'pids' | 'metrics'>,
  logLevel: string,
): Readonly<Record<string, string>> {
  return {
    KAFKA_BROKERS: endpoints.kafka,
    SCHEMA_REGISTRY_URL: endpoints.schemaRegistry,
    DATABASE_URL: endpoints.postgres,
    CLICKHOUSE_URL: endpoints.clickhouse,
    CLICKHOUSE_DATABASE,
    USAGE_EVENTS_TOPIC: TOPICS.usageEvents,
    USAGE_SNAPSHOTS_TOPIC: TOPICS.usageSnapshots,
    QUOTA_DECISIONS_TOPIC: TOPICS.quotaDecisions,
    SESSION_TIMEOUT_MS: String(SESSION_TIMEOUT_MS),
    LOG_LEVEL: logLevel,
  };
}

/** What only some may know: with this key the API seals the secrets of webhooks, and their service signs. */
export function serviceSecrets(name: ServiceName, dataDir: string): Readonly<Record<string, string>> {
  if (name !== 'api' && name !== 'webhooks') return {};
  const newKey = (): string => randomBytes(32).toString('base64');
  return { WEBHOOK_SECRET_KEY: keptSecret(dataDir, 'webhook-secret-key.txt', newKey) };
}

export function supervisedService(
  name: ServiceName,
  dataDir: string,
  env: Readonly<Record<string, string>>,
  onPid: (pid: number) => void,
): Supervised {
  return {
    name,
    start: async () => {
      const run = await startServiceProcess({
        script: fileURLToPath(new URL(SCRIPTS[name], import.meta.url)),
        env,
        logPath: logPathOf(dataDir, name),
      });
      onPid(run.pid);
      return run;
    },
  };
}
