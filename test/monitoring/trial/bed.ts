/** What the faults of the trial get at: the system's parts, its API, the command, a producer. */
import { createKafka } from '@meterhouse/kafka';
import { createPool, type Pool } from '@meterhouse/postgres';
import { createMeter, type Meter } from '@meterhouse/producer';
import { createLogger, type Releases } from '@meterhouse/runtime';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Kafka } from 'kafkajs';
import { z } from 'zod';
import { descendantsOf } from '../../../packages/dev-stack/src/process/process-tree.ts';
import { requireDone, runMeterhouse } from '../../../packages/dev-stack/src/start/meterhouse-command.ts';
import type { RunningPrometheus } from '../prometheus.ts';
import type { RunningSystem } from '../running-system.ts';
import { startReceiver, type Receiver } from './receiver.ts';

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export interface TrialBed {
  readonly prometheus: RunningPrometheus;
  readonly kafka: Kafka;
  /** The superuser's. */
  readonly postgres: Pool;
  readonly meter: Meter;
  readonly receiver: Receiver;
  readonly clickhouseUrl: string;
  readonly apiUrl: string;
  /** Every answer is one, 5xx too; with another key than the platform's where it is given. */
  readonly api: (method: string, path: string, body?: unknown, key?: string) => Promise<Answer>;
  /** An ingest key of a tenant. */
  readonly newKey: (tenantId: string) => Promise<string>;
  /** As an operator would, with `--json`. @throws where it does not end with 0 */
  readonly meterhouse: (...args: readonly string[]) => Promise<unknown>;
  readonly pidOf: (name: string) => Promise<number>;
  /** To a process and all below it: Postgres is many. */
  readonly signal: (name: string, signal: NodeJS.Signals) => Promise<void>;
  /** Stops the whole system and starts it again on the same data and ports. */
  readonly restart: (env: Readonly<Record<string, string>>) => Promise<void>;
}

const REQUEST_MS = 60_000;

export async function openBed(
  system: RunningSystem,
  prometheus: RunningPrometheus,
  restart: TrialBed['restart'],
  releases: Releases,
): Promise<TrialBed> {
  const { endpoints, dataDir } = system;
  const { api: apiUrl } = endpoints;
  if (apiUrl === undefined) throw new Error('the API does not run');
  const silent = createLogger('trial', 'silent');
  const brokers = endpoints.kafka.split(',');
  const kafka = createKafka({ brokers, clientId: 'trial', logger: silent });
  const postgres = createPool({ url: endpoints.postgres, applicationName: 'trial', max: 4 });
  releases.add('Postgres', () => postgres.end());
  const meter = createMeter({
    kafka: { brokers, schemaRegistryUrl: endpoints.schemaRegistry },
    source: 'trial',
    bounds: { deliveryMs: 600_000 },
  });
  releases.add('the producer', async () => {
    await meter.close({ deadlineMs: 2_000 });
  });
  const receiver = await startReceiver();
  releases.add('the receiver', () => receiver.close());
  const platformKey = (await readFile(join(dataDir, 'api-key'), 'utf8')).trim();
  const never = new AbortController().signal;
  const meterhouse = async (...args: readonly string[]): Promise<unknown> =>
    requireDone(`meterhouse ${args.join(' ')}`, await runMeterhouse({ dataDir, args, signal: never }));
  const pidOf = async (name: string): Promise<number> => {
    const pid = (await system.pids())[name];
    if (pid === undefined) throw new Error(`${name} does not run`);
    return pid;
  };
  return {
    ...{ prometheus, kafka, postgres, meter, receiver, meterhouse, pidOf, restart, apiUrl },
    clickhouseUrl: endpoints.clickhouse,
    api: (method, path, body, key = platformKey) => ask(apiUrl, { method, path, body, key }),
    newKey: async (tenantId) => {
      const made = await meterhouse(
        'keys',
        'create',
        '--role',
        'ingest',
        '--tenant',
        tenantId,
        '--name',
        'trial',
      );
      return z.object({ key: z.string() }).parse(made).key;
    },
    signal: async (name, signal) => {
      const pid = await pidOf(name);
      for (const each of [pid, ...descendantsOf(pid)]) signalIfThere(each, signal);
    },
  };
}

async function ask(
  url: string,
  { method, path, body, key }: { method: string; path: string; body: unknown; key: string },
): Promise<Answer> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${key}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    body: body === undefined ? null : JSON.stringify(body),
    signal: AbortSignal.timeout(REQUEST_MS),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? null : (JSON.parse(text) as unknown) };
}

function signalIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
