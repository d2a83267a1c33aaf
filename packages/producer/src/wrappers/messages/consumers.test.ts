/**
 * What the real brokers do not do on demand (they are in test/wrappers):
 *  - a message whose usage could not be recorded is not acknowledged, and says so; one that is refused
 *    for what it is does not come again for ever
 *  - ids follow from the message and the consumer's name, within the bound; no identity, no usage, and told
 *  - a failed handler is no usage unless asked; its error is what the client sees
 *  - while usage is recorded the group hears of us
 */
import type { ConsumeMessage } from 'amqplib';
import { waitFor } from '@meterhouse/runtime';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { MeterError } from '../../errors.ts';
import type { UsageEventInput } from '../../event-input.ts';
import { meterConsumer, type AmqpUsageOptions } from '../amqplib/index.ts';
import { meterProcessor } from '../bullmq/index.ts';
import { meterEachBatch, meterEachMessage, UsageNotRecordedError } from '../kafkajs/index.ts';

const PROBLEMS = { onProblem: () => undefined };

function recorder(record?: (event: UsageEventInput) => Promise<unknown>) {
  const events: UsageEventInput[] = [];
  const keep = (event: UsageEventInput): Promise<unknown> => Promise.resolve(events.push(event));
  return {
    events,
    meter: { add: (event: UsageEventInput) => events.push(event) > 0, record: record ?? keep },
  };
}

const away = (): Promise<unknown> => Promise.reject(new MeterError('not_acknowledged', 'no broker'));
const refused = (): Promise<unknown> => Promise.reject(new MeterError('refused', 'no such thing'));
const fails = (): Promise<never> => Promise.reject(new Error('on purpose'));

function kafkaMessage(offset = '7', timestamp = '1700000000000', topic = 'work') {
  const message = { offset, timestamp, key: null, value: null, attributes: 0, headers: {} };
  return { topic, partition: 3, message, heartbeat: () => Promise.resolve(), pause: () => () => undefined };
}

const USAGE = {
  consumer: 'indexer',
  usage: () => [
    { tenantId: 't', metric: 'm' },
    { tenantId: 't', metric: 'm', attrs: { a: 'b' } },
  ],
  ...PROBLEMS,
};

test('kafkajs: ids and times are the message’s; too long ones are bounded; without a time it is told', async () => {
  const { events, meter } = recorder();
  const handler = meterEachMessage(() => Promise.resolve(), { meter, ...USAGE });
  await handler(kafkaMessage());
  expect(events.map(({ id, ts, attribution }) => [id, ts, attribution])).toEqual([
    ['indexer:kafka:work-3-7:m', 1_700_000_000_000, null],
    ['indexer:kafka:work-3-7:m:2', 1_700_000_000_000, null],
  ]);
  await handler(kafkaMessage('7', '1700000000000', 'x'.repeat(249)));
  expect(events.slice(2).every(({ id }) => id?.length === 36)).toBe(true);
  await handler(kafkaMessage('8', '-1'));
  expect([events.length, handler.problems().no_identity]).toEqual([4, 1]);
});

test('kafkajs: not recorded is not committed; refused is told and committed; failures count where asked', async () => {
  const notRecorded = meterEachMessage(() => Promise.resolve(), { ...USAGE, ...recorder(away) });
  await expect(notRecorded(kafkaMessage())).rejects.toBeInstanceOf(UsageNotRecordedError);
  const isRefused = meterEachMessage(() => Promise.resolve(), { ...USAGE, ...recorder(refused) });
  await isRefused(kafkaMessage());
  expect([notRecorded.problems().not_acknowledged, isRefused.problems().not_taken]).toEqual([2, 2]);
  for (const failures of ['skip', 'count'] as const) {
    const { events, meter } = recorder();
    await expect(meterEachMessage(fails, { ...USAGE, meter, failures })(kafkaMessage())).rejects.toThrow(
      'on purpose',
    );
    expect(events.length).toBe(failures === 'count' ? 2 : 0);
  }
  const both = meterEachMessage(fails, { ...USAGE, ...recorder(away), failures: 'count' });
  await expect(both(kafkaMessage())).rejects.toThrow('on purpose');
});

test('kafkajs: heartbeats while usage is recorded, and what they fail with is thrown', async () => {
  let beats = 0;
  const slow = recorder(() =>
    waitFor('beats', () => (beats > 2 ? true : undefined), { deadlineMs: 10_000, everyMs: 5 }),
  );
  const handler = meterEachMessage(() => Promise.resolve(), { ...USAGE, ...slow, heartbeatEveryMs: 5 });
  const heartbeat = (): Promise<void> => Promise.resolve(void (beats += 1));
  await handler({ ...kafkaMessage(), heartbeat });
  beats = 0;
  const lost = (): Promise<void> => heartbeat().then(() => Promise.reject(new Error('rebalanced')));
  await expect(handler({ ...kafkaMessage(), heartbeat: lost })).rejects.toThrow('rebalanced');
});

test('kafkajs: an offset is resolved after its usage is recorded, and none after one that is not', async () => {
  const log: string[] = [];
  const messages = ['1', '2', '3', '4'].map((offset) => kafkaMessage(offset).message);
  const batch = { topic: 'work', partition: 3, messages, lastOffset: () => '4' };
  const record = async (event: UsageEventInput): Promise<void> => {
    await delay(1);
    log.push(`recorded ${event.id?.split('-')[2]}`);
    if (event.id?.includes('-3:') === true && failing) throw new MeterError('not_acknowledged', 'no broker');
  };
  const handler = meterEachBatch(
    async (payload) => {
      payload.resolveOffset('2');
      await payload.commitOffsetsIfNecessary();
      payload.resolveOffset('3');
    },
    { ...recorder(record), consumer: 'indexer', usage: () => ({ tenantId: 't', metric: 'm' }), ...PROBLEMS },
  );
  const payload = {
    ...kafkaMessage(),
    batch,
    resolveOffset: (offset: string) => void log.push(`resolved ${offset}`),
    commitOffsetsIfNecessary: () => Promise.resolve(void log.push('committed')),
    uncommittedOffsets: () => ({ topics: [] }),
    isRunning: () => true,
    isStale: () => false,
  } as unknown as Parameters<typeof handler>[0];
  let failing = false;
  await handler(payload);
  const upToCommit = ['recorded 1:m', 'recorded 2:m', 'resolved 2', 'committed', 'recorded 3:m'];
  expect(log.splice(0)).toEqual([...upToCommit, 'resolved 3', 'recorded 4:m', 'resolved 4']);
  failing = true;
  await expect(handler(payload)).rejects.toBeInstanceOf(UsageNotRecordedError);
  expect(log).toEqual(upToCommit);
});

function amqpMessage(properties: object, content = 'x'): ConsumeMessage {
  const fields = { deliveryTag: 1, redelivered: false, exchange: 'e', routingKey: 'k', consumerTag: 'c' };
  return {
    content: Buffer.from(content),
    fields,
    properties: { headers: {}, ...properties },
  } as unknown as ConsumeMessage;
}

async function settled(
  message: ConsumeMessage,
  options: Partial<AmqpUsageOptions<unknown>>,
  handler: () => Promise<void> = () => Promise.resolve(),
) {
  const { events, meter } = recorder();
  const log: string[] = [];
  const channel = {
    ack: () => void log.push(`ack after ${events.length}`),
    nack: (_message: unknown, _all?: boolean, requeue?: boolean) =>
      void log.push(requeue === true ? 'requeue' : 'discard'),
  };
  const listener = meterConsumer(channel, handler, {
    meter,
    consumer: 'indexer',
    usage: () => ({ tenantId: 't', metric: 'm' }),
    onFailure: () => 'discard',
    requeueAfterMs: 1,
    ...PROBLEMS,
    ...options,
  });
  listener(message);
  await waitFor('it to be settled', () => (log.length > 0 ? true : undefined), {
    deadlineMs: 10_000,
    everyMs: 2,
  });
  return {
    log: log.join(),
    ids: events.map(({ id, ts }) => `${id} ${String(ts)}`),
    problems: listener.problems(),
  };
}

test('RabbitMQ: the id is the publisher’s, the time anybody’s but ours; else refused, or by digest', async () => {
  const uuid = '018c6db0-f400-7000-8000-000000000000';
  expect((await settled(amqpMessage({ messageId: 'a', timestamp: 1_700_000_000 }), {})).ids).toEqual([
    'indexer:amqp:a:m 1700000000000',
  ]);
  expect(
    (
      await settled(
        amqpMessage({ messageId: 'a', timestamp: 1, headers: { timestamp_in_ms: 1_700_000_000_123 } }),
        {},
      )
    ).ids,
  ).toEqual(['indexer:amqp:a:m 1700000000123']);
  expect((await settled(amqpMessage({ messageId: uuid }), {})).ids).toEqual([
    `indexer:amqp:${uuid}:m ${Number.parseInt('018c6db0f400', 16)}`,
  ]);
  for (const properties of [{ messageId: 'a' }, { timestamp: 1_700_000_000 }]) {
    const none = await settled(amqpMessage(properties), {});
    expect([none.ids, none.log, none.problems.no_identity]).toEqual([[], 'ack after 0', 1]);
  }
  const digest = { withoutMessageId: 'digest' as const };
  const [one, same, other] = await Promise.all(
    ['x', 'x', 'y'].map((content) => settled(amqpMessage({ timestamp: 1_700_000_000 }, content), digest)),
  );
  expect(one?.ids).toEqual(same?.ids);
  expect(one?.ids).not.toEqual(other?.ids);
});

test('RabbitMQ: acknowledged after its usage; failed as decided; not recorded comes again; a closed channel is told', async () => {
  const message = amqpMessage({ messageId: 'a', timestamp: 1_700_000_000 });
  expect((await settled(message, {})).log).toBe('ack after 1');
  expect((await settled(message, {}, fails)).log).toBe('discard');
  expect((await settled(message, { onFailure: () => 'requeue' }, fails)).log).toBe('requeue');
  expect(
    (
      await settled(
        message,
        {
          onFailure: () => {
            throw new Error('broken');
          },
        },
        fails,
      )
    ).log,
  ).toBe('requeue');
  const notRecorded = await settled(message, recorder(away));
  expect([notRecorded.log, notRecorded.problems.not_acknowledged]).toEqual(['requeue', 1]);
  const closed = (): never => {
    throw new Error('Channel closed');
  };
  const listener = meterConsumer({ ack: closed, nack: closed }, () => undefined, {
    ...recorder(),
    ...USAGE,
    onFailure: () => 'requeue',
  });
  listener(message);
  await waitFor('the problem', () => (listener.problems().not_acknowledged > 0 ? true : undefined), {
    deadlineMs: 10_000,
  });
});

test('BullMQ: what moves a job is no failure; buffered usage does not wait', async () => {
  const { events, meter } = recorder(away);
  const job = { id: '5', queueQualifiedName: 'bull:mail', timestamp: 1_700_000_000_000, attemptsMade: 2 };
  const moved = Object.assign(new Error('later'), { name: 'DelayedError' });
  const options = { ...USAGE, meter, failures: 'count', durability: 'buffered', attempts: 'each' } as const;
  await expect(meterProcessor(() => Promise.reject(moved), options)(job)).rejects.toBe(moved);
  expect(events).toEqual([]);
  expect(await meterProcessor(() => Promise.resolve('sent'), options)(job)).toBe('sent');
  expect(events[0]?.id).toBe('indexer:bull:mail:5:1700000000000:2:m');
});
