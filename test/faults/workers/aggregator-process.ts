/** One aggregator of a fault run: what services/aggregator/src/main.ts runs, with short times and a failpoint. */
import { randomUUID } from 'node:crypto';
import { createClickHouse } from '@meterhouse/clickhouse';
import { createKafka, createRegistry } from '@meterhouse/kafka';
import { createPool, type Pool } from '@meterhouse/postgres';
import { createLogger, Releases, runService, type Logger, type RunningService } from '@meterhouse/runtime';
import { DEFAULT_WINDOW } from '@meterhouse/usage';
import { startAggregator, type AggregatorOptions } from '../../../services/aggregator/src/aggregator.ts';
import { startMirror } from '../../../services/aggregator/src/mirror/mirror.ts';
import { onMessage, sendToDriver } from '../processes/channel.ts';
import type { FromWorker, ToWorker, WorkerConfig } from '../processes/messages.ts';
import { Random } from '../random.ts';
import { terminateSessions, watchSessions } from './sessions.ts';
import { Strikes } from './strikes.ts';

const KIB = 1024;
const DRAIN_MS = 8_000;
/** Shorter than a frozen ClickHouse stays frozen now and then. */
const CLICKHOUSE_TIMEOUT_MS = 4_000;

const send = (message: FromWorker): Promise<void> => sendToDriver(message);
const logger = createLogger('worker', 'info');
const config = Promise.withResolvers<WorkerConfig>();
const strikes = new Strikes({
  announce: (strike) => send({ kind: 'struck', strike }),
  terminateSessions: async () => {
    const { urls, applicationName } = await config.promise;
    // Where the server is away, its sessions have ended anyway.
    await terminateSessions(urls.postgres, applicationName).catch(() => undefined);
  },
  deafenSessions: (forMs) => deafen(forMs),
  signalSelf: (signal) => process.kill(process.pid, signal),
});
let deafen: (forMs: number) => Promise<void> = () => Promise.resolve();

onMessage((received) => {
  const message = received as ToWorker;
  switch (message.kind) {
    case 'start':
      config.resolve(message);
      return;
    case 'arm':
      strikes.arm(message.strike);
      return;
    case 'disarm':
      strikes.disarm();
      return;
    default:
      message satisfies never;
  }
});

await runService(logger, async () => start(await config.promise), DRAIN_MS);

async function start({ urls, names, applicationName, seed }: WorkerConfig): Promise<RunningService> {
  const random = new Random(`${seed}/${applicationName}/${process.pid}`);
  const pool = createPool({ url: urls.postgres, role: 'meterhouse_aggregator', applicationName, max: 8 });
  deafen = watchSessions(pool).deafen;
  const releases = new Releases();
  releases.add('Postgres', () => pool.end());
  const aggregator = await startAggregator({
    ...aggregatorOptions(pool, logger, random),
    kafka: createKafka({ brokers: [urls.kafka], clientId: applicationName, logger }),
    schemas: createRegistry(urls.schemaRegistry),
    topic: names.topic,
    groupId: names.groupId,
  });
  releases.add('aggregator', () => aggregator.stop());
  const clickhouse = createClickHouse(urls.clickhouse, names.clickhouseDatabase, {
    requestTimeoutMs: CLICKHOUSE_TIMEOUT_MS,
  });
  releases.add('ClickHouse', () => clickhouse.close());
  const mirror = startMirror({
    pool,
    clickhouse,
    logger,
    now: Date.now,
    random: () => random.next(),
    unique: randomUUID,
    times: { standbyMs: 500, pollMs: 500, minIntervalMs: 200 },
  });
  releases.add('mirror', () => mirror.stop());
  await send({ kind: 'counting' });
  return { failed: aggregator.failed, stop: () => releases.releaseAll() };
}

/** Small flushes, so that there are many to strike at; times that a run of minutes can wait for. */
function aggregatorOptions(
  pool: Pool,
  log: Logger,
  random: Random,
): Omit<AggregatorOptions, 'kafka' | 'schemas' | 'topic' | 'groupId'> {
  return {
    pool,
    window: DEFAULT_WINDOW,
    bounds: {
      flush: { maxEvents: 400, maxBytes: 512 * KIB, lingerMs: 20 },
      fetch: { maxBytes: 1024 * KIB, maxBytesPerPartition: 128 * KIB, maxWaitMs: 100 },
      maxBufferedBytes: 2048 * KIB,
      maxChangeLogRows: 100_000,
    },
    times: {
      sessionTimeoutMs: 3_000,
      watermarkEveryMs: 250,
      housekeepingEveryMs: 2_000,
      replayEveryMs: 300,
      schemaTimeoutMs: 2_000,
      postgresTimeoutMs: 60_000,
      stallTimeoutMs: 15_000,
    },
    logger: log,
    now: () => new Date(),
    random: () => random.next(),
    failpoint: strikes.failpoint,
  };
}
