/**
 * One run of one contender in a process of its own. Prints a line of JSON: how long it took from
 * joining the group to the last event done, and the CPU time it used.
 */
import { parseArgs } from 'node:util';
import { DEFAULT_BOUNDS, DEFAULT_TIMES, startAggregator } from '@meterhouse/aggregator';
import {
  createEventDecoder,
  createKafka,
  createRegistry,
  isRefusal,
  isUnknownSchema,
} from '@meterhouse/kafka';
import { createPool } from '@meterhouse/postgres';
import { createLogger, waitFor } from '@meterhouse/runtime';
import { DAY_MS, DEFAULT_WINDOW, type UsageEvent } from '@meterhouse/usage';
import type { EachBatchPayload, Kafka } from 'kafkajs';
import { upsertNaively } from './naive.ts';

const MIB = 1024 * 1024;

const { values: args } = parseArgs({
  options: {
    kind: { type: 'string' },
    brokers: { type: 'string' },
    registry: { type: 'string' },
    database: { type: 'string' },
    topic: { type: 'string' },
    group: { type: 'string' },
    events: { type: 'string' },
    'schema-id': { type: 'string' },
  },
});

const need = (name: keyof typeof args): string => {
  const value = args[name];
  if (value === undefined) throw new Error(`--${name} is missing`);
  return value;
};

const logger = createLogger('bench', process.env['LOG_LEVEL'] ?? 'error');
const kafka = createKafka({ brokers: [need('brokers')], clientId: 'bench', logger });
const events = Number(need('events'));
const topic = need('topic');
const joined = Promise.withResolvers<number>();

switch (need('kind')) {
  case 'json':
    await consumeAll((batch) => {
      let parsed = 0;
      for (const message of batch.messages) parsed += Number(JSON.parse(String(message.value)) !== null);
      return Promise.resolve(parsed);
    });
    break;
  case 'avro':
    await consumeAll(await avroReader());
    break;
  case 'naive': {
    const pool = createPool({ url: need('database'), applicationName: 'bench-naive' });
    const read = createDecode(await knownDecoder());
    await consumeAll(async (batch) => {
      for (const message of batch.messages) await upsertNaively(pool, read(message.value));
      return batch.messages.length;
    });
    await pool.end();
    break;
  }
  case 'aggregator':
    await aggregate();
    break;
  default:
    throw new Error(`no contender ${need('kind')}`);
}
process.exit(0);

async function consumeAll(take: (batch: EachBatchPayload['batch']) => Promise<number>): Promise<void> {
  const done = Promise.withResolvers<undefined>();
  let seen = 0;
  const consumer = instrumented(kafka).consumer({
    groupId: need('group'),
    maxBytesPerPartition: 4 * MIB,
    maxBytes: 16 * MIB,
  });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch, ...group }) => {
      seen += await take(batch);
      await group.heartbeat();
      if (seen >= events) done.resolve(undefined);
    },
  });
  await done.promise;
  await report();
  await consumer.disconnect();
}

type Decoder = ReturnType<typeof createEventDecoder>;

/** A decoder that has met the schema that all of the bench's events are written with. */
async function knownDecoder(): Promise<Decoder> {
  const registry = createRegistry(need('registry'));
  const decoder = createEventDecoder(registry);
  await decoder.learn(Number(need('schema-id')), { deadlineMs: 30_000 });
  return decoder;
}

function createDecode(decoder: Decoder): (value: Buffer | null) => UsageEvent {
  return (value) => {
    const outcome = decoder.decode(value);
    if (isUnknownSchema(outcome) || isRefusal(outcome)) throw new Error(JSON.stringify(outcome));
    return outcome;
  };
}

async function avroReader(): Promise<(batch: EachBatchPayload['batch']) => Promise<number>> {
  const decode = createDecode(await knownDecoder());
  return (batch) => {
    let decoded = 0;
    for (const message of batch.messages) decoded += Number(decode(message.value).id.length > 0);
    return Promise.resolve(decoded);
  };
}

async function aggregate(): Promise<void> {
  const pool = createPool({
    url: need('database'),
    role: 'meterhouse_aggregator',
    applicationName: 'bench',
    max: 8,
  });
  await startAggregator({
    pool,
    kafka: instrumented(kafka),
    schemas: createRegistry(need('registry')),
    topic,
    groupId: need('group'),
    window: { ...DEFAULT_WINDOW, backMs: 300 * DAY_MS },
    bounds: DEFAULT_BOUNDS,
    times: DEFAULT_TIMES,
    logger,
    now: () => new Date(),
    random: Math.random,
  });
  const watcher = createPool({ url: need('database'), applicationName: 'bench-watch', max: 1 });
  await waitFor(
    'all events to be counted',
    async () => {
      const rows = await watcher.query<{ counted: string | null }>(
        'SELECT sum(next_offset) AS counted FROM meterhouse.progress WHERE source = $1',
        [topic],
      );
      return Number(rows.rows[0]?.counted ?? 0) >= events ? true : undefined;
    },
    { deadlineMs: 300_000, everyMs: 20 },
  );
  await report();
}

/** Notes when the consumer has joined its group: from there on all contenders do the same. */
function instrumented(client: Kafka): Kafka {
  const make = client.consumer.bind(client);
  client.consumer = (config) => {
    const consumer = make(config);
    consumer.on(consumer.events.GROUP_JOIN, () => {
      joined.resolve(performance.now());
    });
    return consumer;
  };
  return client;
}

async function report(): Promise<void> {
  const elapsedMs = performance.now() - (await joined.promise);
  const cpu = process.cpuUsage();
  process.stdout.write(
    `${JSON.stringify({ elapsedMs, cpuMs: (cpu.user + cpu.system) / 1000, maxRssMib: process.resourceUsage().maxRSS / 1024 })}\n`,
  );
}
