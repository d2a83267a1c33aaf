import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { HEAP_BOUND, type Endpoints } from '@meterhouse/dev-stack';
import { createPool, migratePostgres } from '@meterhouse/postgres';
import { BENCH_REGISTRY } from './events.ts';
import { NAIVE_TABLES } from './naive.ts';
import { postgresCpuMs } from './postgres-cpu.ts';

export type Kind = 'json' | 'avro' | 'aggregator' | 'naive';

export interface Figures {
  readonly eventsPerSecond: number;
  /** CPU of the contender's own process, start included, per event in µs. */
  readonly nodeCpuUs: number;
  readonly postgresCpuUs: number | null;
  readonly maxRssMib: number;
}

/** One run in a process and a database of its own. */
export async function runContender(
  endpoints: Endpoints,
  contender: { kind: Kind; topic: string; events: number; schemaId: number; name: string },
): Promise<Figures> {
  const database = await preparedDatabase(endpoints.postgres, contender.name);
  const postmaster = endpoints.pids['postgres'] ?? 0;
  const before = postgresCpuMs(postmaster);
  const output = await outputOf([
    '--kind',
    contender.kind,
    '--brokers',
    endpoints.kafka,
    '--registry',
    endpoints.schemaRegistry,
    '--database',
    database,
    '--topic',
    contender.topic,
    '--group',
    contender.name,
    '--events',
    String(contender.events),
    '--schema-id',
    String(contender.schemaId),
  ]);
  const after = postgresCpuMs(postmaster);
  const run = JSON.parse(output) as { elapsedMs: number; cpuMs: number; maxRssMib: number };
  return {
    eventsPerSecond: (contender.events * 1_000) / run.elapsedMs,
    nodeCpuUs: (run.cpuMs * 1_000) / contender.events,
    postgresCpuUs: before === null || after === null ? null : ((after - before) * 1_000) / contender.events,
    maxRssMib: run.maxRssMib,
  };
}

async function preparedDatabase(server: string, name: string): Promise<string> {
  const admin = createPool({ url: server, applicationName: 'bench', max: 1 });
  await admin.query(`CREATE DATABASE ${name}`);
  await admin.end();
  const url = new URL(server);
  url.pathname = `/${name}`;
  await migratePostgres(url.href);
  const pool = createPool({ url: url.href, applicationName: 'bench', max: 1 });
  await pool.query(BENCH_REGISTRY);
  await pool.query(NAIVE_TABLES);
  // What earlier runs left to be written out is not this run's cost.
  await pool.query('CHECKPOINT');
  await pool.end();
  return url.href;
}

function outputOf(args: readonly string[]): Promise<string> {
  const program = fileURLToPath(new URL('contender.ts', import.meta.url));
  return new Promise((resolve, reject) => {
    // As the aggregator is run in production; the same for all contenders.
    const child = spawn(process.execPath, [...HEAP_BOUND, program, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(output.trim().split('\n').at(-1) ?? '');
      else reject(new Error(`${args[1]} ended with code ${code}`));
    });
  });
}
