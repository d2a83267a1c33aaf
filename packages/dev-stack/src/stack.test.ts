/**
 * What the stack promises to those who build on it:
 *
 * - two stacks run side by side, each on ports of its own
 * - while it runs, endpoints.json tells where; afterwards the file is gone
 * - a data dir in use is refused, with the owner's pid
 * - what a part has acknowledged is there after SIGKILL and a restart on the same port
 * - and after the whole stack was stopped and started again; schema ids stay, or no message could be read
 * - a frozen part answers nobody, a thawed one goes on
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureTopics } from '@meterhouse/kafka';
import { Kafka, logLevel, type Consumer } from 'kafkajs';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  DataDirInUseError,
  readEndpoints,
  startStack,
  type Endpoints,
  type PartName,
  type Stack,
} from './index.ts';
import { sharedStack } from './testing.ts';

const startTimeoutMs = 180_000;
const topic = 'kept';
const schema = JSON.stringify({ type: 'record', name: 'Kept', fields: [{ name: 'value', type: 'string' }] });

let dataDir: string;
let stack: Stack;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'meterhouse-stack-test-'));
  stack = await startStack({ dataDir });
}, startTimeoutMs);

afterAll(async () => {
  await stack.stop();
  await rm(dataDir, { recursive: true, force: true });
}, startTimeoutMs);

describe('a running stack', () => {
  test('stands beside another, on ports of its own', async () => {
    const { pids: _, ...other } = await sharedStack();
    const { pids: __, ...own } = stack.endpoints;
    for (const part of ['kafka', 'schemaRegistry', 'postgres', 'clickhouse'] as const) {
      expect(own[part]).not.toBe(other[part]);
    }
    await expect(askPostgres(other.postgres, 'SELECT 1 AS one')).resolves.toEqual([{ one: 1 }]);
    await expect(askPostgres(own.postgres, 'SELECT 1 AS one')).resolves.toEqual([{ one: 1 }]);
  });

  test('is described by endpoints.json, services included, for its owner alone', async () => {
    stack.registerPid('aggregator', process.pid);
    const written = await readEndpoints(dataDir);
    expect(written).toEqual(stack.endpoints);
    expect(written.pids).toMatchObject({ kafka: stack.part('kafka').pid, aggregator: process.pid });
  });

  test('refuses a second one in its data dir, and names its owner', async () => {
    const second = startStack({ dataDir, parts: ['postgres'] });
    await expect(second).rejects.toBeInstanceOf(DataDirInUseError);
    await expect(second).rejects.toThrow(`${dataDir} is in use by process ${process.pid}`);
    await expect(readEndpoints(dataDir)).resolves.toEqual(stack.endpoints);
  });

  test('says nothing while a part is frozen, and goes on when it is thawed', async () => {
    for (const name of ['postgres', 'clickhouse'] as const) {
      const answer = (): Promise<unknown> => questions[name](stack.endpoints);
      await answer();
      await stack.part(name).kill('SIGSTOP');
      const frozen = answer();
      await expect(Promise.race([frozen, after(1000)])).resolves.toBe('no answer');
      expect(stack.part(name).running()).toBe(true);
      await stack.part(name).kill('SIGCONT');
      await frozen;
    }
  });
});

describe('what was acknowledged', () => {
  let schemaId: number;

  beforeAll(async () => {
    schemaId = await writeEverywhere(stack.endpoints);
  }, startTimeoutMs);

  test.each<PartName>(['postgres', 'clickhouse', 'kafka', 'schemaRegistry'])(
    'is there after SIGKILL of %s',
    async (name) => {
      const part = stack.part(name);
      const before = { pid: part.pid, endpoints: stack.endpoints };
      await part.kill('SIGKILL');
      expect(part.running()).toBe(false);
      await part.start();
      expect(part.pid).not.toBe(before.pid);
      expect(stack.endpoints[name]).toBe(before.endpoints[name]);
      expect((await readEndpoints(dataDir)).pids[name]).toBe(part.pid);
      await expectEverything(stack.endpoints, schemaId);
    },
    startTimeoutMs,
  );

  test(
    'is there after the whole stack was stopped and started, at the same URLs',
    async () => {
      const before = stack.endpoints;
      await stack.stop();
      await expect(readEndpoints(dataDir)).rejects.toThrow('No stack runs');
      stack = await startStack({ dataDir });
      const { pids: _, ...urls } = stack.endpoints;
      expect(before).toMatchObject(urls);
      await expectEverything(stack.endpoints, schemaId);
    },
    startTimeoutMs,
  );
});

const questions = {
  postgres: (endpoints: Endpoints) => askPostgres(endpoints.postgres, 'SELECT 1'),
  clickhouse: (endpoints: Endpoints) => askClickHouse(endpoints.clickhouse, 'SELECT 1'),
};

function after(timeoutMs: number): Promise<string> {
  return new Promise((resolve) => setTimeout(resolve, timeoutMs, 'no answer'));
}

async function askPostgres(url: string, sql: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

async function askClickHouse(url: string, sql: string): Promise<string> {
  const response = await fetch(url, { method: 'POST', body: sql });
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  return text;
}

function kafkaAt(endpoints: Endpoints): Kafka {
  return new Kafka({ brokers: [endpoints.kafka], logLevel: logLevel.NOTHING });
}

async function writeEverywhere(endpoints: Endpoints): Promise<number> {
  await askPostgres(endpoints.postgres, `CREATE TABLE kept AS SELECT 'in postgres' AS value`);
  await askClickHouse(endpoints.clickhouse, 'CREATE DATABASE meterhouse');
  await askClickHouse(
    endpoints.clickhouse,
    'CREATE TABLE meterhouse.kept (value String) ENGINE = MergeTree ORDER BY value',
  );
  await askClickHouse(endpoints.clickhouse, `INSERT INTO meterhouse.kept VALUES ('in clickhouse')`);
  await ensureTopics(kafkaAt(endpoints), { usageEvents: { topic, partitions: 1 } });
  const producer = kafkaAt(endpoints).producer();
  await producer.connect();
  await producer.send({ topic, acks: -1, messages: [{ value: 'in kafka' }] });
  await producer.disconnect();
  const response = await fetch(`${endpoints.schemaRegistry}/subjects/kept-value/versions`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/vnd.schemaregistry.v1+json' },
    body: JSON.stringify({ schema }),
  });
  const { id } = (await response.json()) as { id: number };
  return id;
}

async function expectEverything(endpoints: Endpoints, schemaId: number): Promise<void> {
  expect(await askPostgres(endpoints.postgres, 'SELECT value FROM kept')).toEqual([{ value: 'in postgres' }]);
  expect(await askClickHouse(endpoints.clickhouse, 'SELECT value FROM meterhouse.kept')).toBe(
    'in clickhouse\n',
  );
  const response = await fetch(`${endpoints.schemaRegistry}/schemas/ids/${schemaId}`);
  const kept = (await response.json()) as { schema: string };
  expect(JSON.parse(kept.schema)).toEqual(JSON.parse(schema));
  expect(await firstMessage(kafkaAt(endpoints))).toBe('in kafka');
}

async function firstMessage(kafka: Kafka): Promise<string> {
  const consumer: Consumer = kafka.consumer({
    groupId: `read-${crypto.randomUUID()}`,
    maxWaitTimeInMs: 200,
  });
  await consumer.connect();
  try {
    await consumer.subscribe({ topic, fromBeginning: true });
    return await new Promise((resolve, reject) => {
      consumer.on('consumer.crash', ({ payload }) => reject(payload.error));
      const eachMessage = ({ message }: { message: { value: Buffer | null } }): Promise<void> => {
        resolve(String(message.value));
        return Promise.resolve();
      };
      consumer.run({ eachMessage }).catch(reject);
    });
  } finally {
    await consumer.disconnect();
  }
}
