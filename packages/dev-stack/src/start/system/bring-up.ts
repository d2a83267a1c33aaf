/** Brings the whole system up: the stack, its tables and topics, our services, and somebody who watches over all. */
import { resolve } from 'node:path';
import type { Admin, Kafka } from 'kafkajs';
import { pino } from 'pino';
import { createKafka, ensureTopics, TOPICS } from '@meterhouse/kafka';
import { CLICKHOUSE_MIRROR, createPool, migratePostgres, type Pool } from '@meterhouse/postgres';
import type { Releases } from '@meterhouse/runtime';
import { choosePorts } from '../../data-dir/ports.ts';
import { partLabels, partNames, type Endpoints, type Stack } from '../../stack.ts';
import { startStack } from '../../start-stack.ts';
import type { Screen } from '../screen/screen.ts';
import { counted } from '../screen/words.ts';
import { readPipelineStand } from '../live/pipeline-stand.ts';
import { watchPipeline, type PipelineWatch } from '../live/pipeline-watch.ts';
import { keepApiKey } from './api-key.ts';
import { boundLogs, MAX_LOG_BYTES } from '../supervision/log-bound.ts';
import { supervisedPart } from '../supervision/part-run.ts';
import { supervisionLine } from '../supervision/supervision-line.ts';
import { supervise, type Supervised, type SupervisionEvent } from '../supervision/supervisor.ts';
import {
  API_PORT_NAME,
  logPathOf,
  metricsPortName,
  SERVICE_NAMES,
  serviceSecrets,
  serviceVariables,
  supervisedService,
  type ServiceName,
} from './services.ts';

export interface RunningSystem {
  readonly dataDir: string;
  readonly endpoints: Endpoints;
  /** May read everything. */
  readonly reader: Pool;
  /** May write what an operator may, such as a producer's report. */
  readonly operator: Pool;
  readonly kafka: Kafka;
  readonly watch: PipelineWatch;
  /** Of a service of ours as it runs now. */
  pidOf(service: ServiceName): number;
}

export interface BringUpOptions {
  readonly dataDir: string;
  readonly screen: Screen;
  /** What has to be undone, in reverse order. */
  readonly releases: Releases;
  readonly signal: AbortSignal;
  /** Of the services. */
  readonly logLevel: string;
}

const BACKOFF = { baseMs: 500, maxMs: 15_000 };
const HEALTHY_MS = 30_000;
const LOOK_EVERY_MS = 500;
const LIST = new Intl.ListFormat('en-GB');
/** kafkajs' own retries must not hide for long that the broker is away. */
const KAFKA_RETRY = { retries: 2, initialRetryTime: 100, maxRetryTime: 1_000 };

/** The name of the snapshot publisher in the change log's table of tailers. */
const SNAPSHOT_TAILER = 'quota-snapshot';

export async function bringUp(options: BringUpOptions): Promise<RunningSystem> {
  const { screen, releases, signal } = options;
  const dataDir = resolve(options.dataDir);
  screen.say(`${screen.paint.bold('Meterhouse')} in ${dataDir}`);
  const stack = await startStack({ dataDir, onProgress: (line) => screen.say(`  ${line}`) });
  releases.add('the stack', () => stack.stop());
  signal.throwIfAborted();
  const { endpoints } = stack;

  const ran = await migratePostgres(endpoints.postgres);
  screen.say(
    `  Postgres schema ${ran.length === 0 ? 'is up to date' : `made: ${counted(ran.length, 'migration')}`}`,
  );
  const reader = createPool({
    url: endpoints.postgres,
    role: 'meterhouse_reader',
    applicationName: 'meterhouse-start',
  });
  releases.add('Postgres reader', () => reader.end());
  const operator = createPool({
    url: endpoints.postgres,
    role: 'meterhouse_operator',
    applicationName: 'meterhouse-start',
    max: 1,
  });
  releases.add('Postgres operator', () => operator.end());

  const kafka = createKafka({
    brokers: endpoints.kafka.split(','),
    clientId: 'meterhouse-start',
    // What goes wrong shows in the live block and in the services' logs.
    logger: pino({ level: 'silent' }),
    retry: KAFKA_RETRY,
  });
  await ensureTopics(kafka, {
    usageEvents: { topic: TOPICS.usageEvents },
    usageSnapshots: { topic: TOPICS.usageSnapshots },
    quotaDecisions: { topic: TOPICS.quotaDecisions },
  });
  const admin = kafka.admin();
  await admin.connect();
  releases.add('Kafka admin', () => admin.disconnect());
  signal.throwIfAborted();

  await superviseAll(stack, dataDir, options);
  await keepApiKey(dataDir, endpoints.postgres, operator);
  const watch = watchStands(reader, admin, signal);
  releases.add('the watch over the pipeline', () => watch.stop());
  const pidOf = (service: ServiceName): number => {
    const pid = stack.endpoints.pids[service];
    if (pid === undefined) throw new Error(`${service} has not been started`);
    return pid;
  };
  return { dataDir, endpoints: stack.endpoints, reader, operator, kafka, watch, pidOf };
}

function watchStands(pool: Pool, admin: Admin, signal: AbortSignal): PipelineWatch {
  const sources = {
    pool,
    admin,
    topic: TOPICS.usageEvents,
    tailers: { mirror: CLICKHOUSE_MIRROR, snapshots: SNAPSHOT_TAILER },
    now: Date.now,
  };
  return watchPipeline(() => readPipelineStand(sources), { everyMs: LOOK_EVERY_MS, signal });
}

async function superviseAll(stack: Stack, dataDir: string, options: BringUpOptions): Promise<void> {
  const { screen, releases } = options;
  const tell = (event: SupervisionEvent): void => {
    const { tone, text } = supervisionLine(event, logPathOf(dataDir, event.name));
    screen.say(`  ${screen.paint[tone](text)}`);
  };
  const watchOver = async (service: Supervised): Promise<void> => {
    const supervision = await supervise(service, {
      backoff: BACKOFF,
      healthyMs: HEALTHY_MS,
      random: Math.random,
      tell,
    });
    releases.add(`the supervision of ${service.name}`, () => supervision.stop());
  };
  for (const name of partNames) await watchOver(supervisedPart(partLabels[name], stack.part(name)));
  const common = serviceVariables(stack.endpoints, options.logLevel);
  const ports = await choosePorts(dataDir, [API_PORT_NAME, ...SERVICE_NAMES.map(metricsPortName)], {});
  for (const name of SERVICE_NAMES) {
    const port = ports[metricsPortName(name)];
    const env = {
      ...common,
      ...serviceSecrets(name, dataDir),
      METRICS_PORT: String(port),
      API_PORT: String(ports[API_PORT_NAME]),
    };
    await watchOver(supervisedService(name, dataDir, env, (pid) => stack.registerPid(name, pid)));
    stack.registerMetrics(name, `http://127.0.0.1:${port}`);
  }
  stack.registerApi(`http://127.0.0.1:${ports[API_PORT_NAME]}`);
  const stopBounding = boundLogs(
    SERVICE_NAMES.map((name) => logPathOf(dataDir, name)),
    (path) =>
      screen.say(`  ${path} had more than ${MAX_LOG_BYTES / 1024 ** 2} MB: it was moved to ${path}.1`),
  );
  releases.add('the bound on logs', stopBounding);
  screen.say(`  ${LIST.format(SERVICE_NAMES)} started; logs in ${dataDir}/logs`);
}
