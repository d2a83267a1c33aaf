/**
 * One fault run from an empty folder to the judgement:
 *  1. a stack of its own, tables, topic, registry
 *  2. the oracle, the workers, the producers
 *  3. the plan's faults, while events flow
 *  4. everything is put right; producers bring the rest; all is counted, replayed, mirrored
 *  5. the oracle judges
 */
import { join } from 'node:path';
import { startStack, type Stack } from '@meterhouse/dev-stack';
import { createKafka, createRegistry, ensureTopics, registerEventSchema } from '@meterhouse/kafka';
import { createPool, migratePostgres } from '@meterhouse/postgres';
import { createLogger, type Releases } from '@meterhouse/runtime';
import { within } from './deadline.ts';
import { execute } from './executor.ts';
import { Operator, registerWorkload } from './operator.ts';
import type { Options } from './options.ts';
import { pausesMs, planFaults } from './plan/plan.ts';
import type { ProducerTotals, StackUrls, SystemNames } from './processes/messages.ts';
import { OracleHandle } from './processes/oracle.ts';
import { ProducerHandle } from './processes/producers.ts';
import { Worker } from './processes/workers.ts';
import { Random } from './random.ts';
import type { RunResult } from './report.ts';
import { everythingCounted, mirrorDifference, putRight } from './settling.ts';
import type { System } from './system.ts';

const NAMES: SystemNames = {
  topic: 'usage_events',
  partitions: 6,
  groupId: 'meterhouse-aggregator',
  clickhouseDatabase: 'meterhouse',
};
const WORKERS = 3;
const PRODUCERS = 2;
/** Faults beyond what was asked for: now and then one does not land. */
const SPARE_FAULTS = 0.05;
/** A fault's pause and what it holds up on the way, against its pause alone. */
const PACE_MARGIN = 1.15;
const STATUS_EVERY_MS = 20_000;
const READY_MS = 90_000;
const SETTLE_MS = 180_000;
const STOP_MS = 12_000;

export interface RunPorts {
  readonly dir: string;
  /** What was started is given here, to be stopped in reverse order. */
  readonly releases: Releases;
  readonly stop: AbortSignal;
  readonly say: (line: string) => void;
}

export async function run(options: Options, ports: RunPorts): Promise<RunResult> {
  const { say, releases, stop } = ports;
  const startedAt = Date.now();
  const began = performance.now();
  const stack = await startStack({ dataDir: join(ports.dir, 'stack'), onProgress: say });
  releases.add('stack', () => stack.stop());
  const faults = Math.ceil(options.faults * (1 + SPARE_FAULTS));
  const plan = planFaults(options.seed, faults);
  const faultsMs = pausesMs(plan) * PACE_MARGIN;
  const { system, oracle } = await assemble(stack, options, ports, {
    startedAt,
    perSecond: options.events / (faultsMs / 1000),
  });
  await within(
    READY_MS,
    'the workers to count',
    Promise.all(system.workers.map((worker) => worker.counting())),
  );
  say(`${faults} faults over about ${Math.round(faultsMs / 60_000)} min, ${options.events} events`);

  const operator = new Operator(system.postgres, faultsMs / 3);
  const status = setInterval(() => {
    say(statusLine(system));
  }, STATUS_EVERY_MS);
  releases.add('status lines', () => {
    clearInterval(status);
  });
  const faultsOver = AbortSignal.any([
    stop,
    AbortSignal.timeout(options.minutesMax * 60_000 - (Date.now() - startedAt)),
  ]);
  const execution = await execute(system, plan, faultsOver, say);

  stop.throwIfAborted();
  say(`${execution.landed.length} faults landed; waiting until everything is counted and mirrored`);
  await putRight(system);
  const totals = await within(
    SETTLE_MS,
    'the producers to be acknowledged everything',
    Promise.all(system.producers.map((producer) => producer.finish())),
  );
  await within(SETTLE_MS, 'the operator to finish', operator.stop());
  await everythingCounted(system, SETTLE_MS);
  const mirror = await mirrorDifference(system, stack.endpoints.clickhouse, SETTLE_MS);
  const judgement = await within(SETTLE_MS, 'the judgement', oracle.judge());
  return {
    seed: options.seed,
    seconds: (performance.now() - began) / 1000,
    wanted: { faults: options.faults, events: options.events },
    landed: execution.landed,
    missed: execution.missed,
    producers: sum(totals),
    workerStarts: system.workers.reduce((starts, worker) => starts + worker.starts, 0),
    judgement,
    mirrorDifference: mirror.different + mirror.moving + (mirror.mirrorBehind ? 1 : 0),
    mirrorFindings: mirror.listed.map(
      ({ key }) =>
        `ClickHouse and Postgres differ in ${key.tenantId} ${key.metric} ${new Date(key.hour).toISOString()} ${key.attrsKey}`,
    ),
  };
}

async function assemble(
  stack: Stack,
  options: Options,
  { dir, releases }: RunPorts,
  pace: { readonly startedAt: number; readonly perSecond: number },
): Promise<{ system: System; oracle: OracleHandle }> {
  const { kafka: broker, schemaRegistry, postgres: url, clickhouse } = stack.endpoints;
  const urls: StackUrls = { kafka: broker, schemaRegistry, postgres: url, clickhouse };
  const random = new Random(`${options.seed}/driver`);
  const kafka = createKafka({
    brokers: [broker],
    clientId: 'faults-driver',
    logger: createLogger('driver', 'silent'),
  });
  await migratePostgres(url);
  const postgres = createPool({ url, applicationName: 'faults-driver' });
  releases.add('Postgres pool', () => postgres.end());
  await registerWorkload(postgres);
  await ensureTopics(kafka, {
    usageEvents: { topic: NAMES.topic, partitions: NAMES.partitions },
    usageSnapshots: { topic: 'usage_snapshots' },
  });
  await registerEventSchema(createRegistry(schemaRegistry), NAMES.topic, AbortSignal.timeout(READY_MS));

  const oracle = new OracleHandle({ kind: 'start', urls, names: NAMES }, join(dir, 'oracle.log'));
  releases.add('oracle', () => oracle.stop());
  const workers = Array.from(
    { length: WORKERS },
    (_, number) =>
      new Worker(number, {
        config: { kind: 'start', urls, names: NAMES, seed: options.seed },
        logPath: join(dir, `worker-${number}.log`),
        random,
      }),
  );
  for (const worker of workers) worker.start();
  releases.add('workers', async () => {
    await Promise.all(workers.map((worker) => worker.stop(STOP_MS)));
  });
  const oraclePort = await within(READY_MS, 'the oracle to listen', oracle.port);
  const producers = Array.from(
    { length: PRODUCERS },
    (_, producer) =>
      new ProducerHandle(
        {
          kind: 'start',
          urls,
          names: NAMES,
          seed: options.seed,
          producer,
          startedAt: pace.startedAt,
          events: Math.ceil(options.events / PRODUCERS),
          perSecond: pace.perSecond / PRODUCERS,
          oraclePort,
        },
        join(dir, `producer-${producer}.log`),
      ),
  );
  releases.add('producers', async () => {
    await Promise.all(producers.map((producer) => producer.stop()));
  });
  return { system: { stack, names: NAMES, workers, producers, postgres, kafka, random }, oracle };
}

function statusLine({ producers, workers }: System): string {
  const { acknowledged, duplicates } = sum(producers.map((producer) => producer.totals));
  const counting = workers.filter((worker) => worker.isCounting).length;
  return `           ${acknowledged.toLocaleString('en-US')} events acknowledged, ${duplicates.toLocaleString('en-US')} duplicates, ${counting} of ${workers.length} workers counting`;
}

function sum(totals: readonly ProducerTotals[]): ProducerTotals {
  return totals.reduce((all, each) => ({
    acknowledged: all.acknowledged + each.acknowledged,
    duplicates: all.duplicates + each.duplicates,
    retries: all.retries + each.retries,
  }));
}
