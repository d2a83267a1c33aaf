/**
 * On a real RabbitMQ and broker, counted by the real aggregator: messages that are requeued by a failing
 * handler, and those whose connection is cut between recording and acknowledging, are delivered again;
 * each is counted exactly once. 0 lost, 0 double.
 */
import { randomUUID } from 'node:crypto';
import amqp, { type ConsumeMessage } from 'amqplib';
import type { UsageEventInput } from '@meterhouse/producer';
import { meterConsumer } from '@meterhouse/producer/amqplib';
import { waitFor } from '@meterhouse/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { workerBed, workerMeter } from './worker-bed.testing.ts';

const url = process.env['AMQP_URL'] ?? '';
const skipped = url === '';
const SKIPPED = skipped ? ' (skipped: AMQP_URL is not set)' : '';
const MESSAGES = 120;

/** Cuts the TCP connection, as a network does. */
function cut(connection: amqp.ChannelModel): void {
  const { stream } = connection.connection as unknown as { stream: { destroy: () => void } };
  stream.destroy();
}

test.skipIf(skipped)(
  `requeued and cut off before the ack, each message counts once${SKIPPED}`,
  async () => {
    const bed = await workerBed();
    const meter = workerMeter(bed);
    const queue = `meterhouse_test_${randomUUID()}`;
    const setup = await amqp.connect(url);
    const publishing = await setup.createConfirmChannel();
    await publishing.assertQueue(queue, { durable: true });
    onTestFinished(async () => {
      await publishing.deleteQueue(queue);
      await setup.close();
    });
    for (let value = 1; value <= MESSAGES; value++)
      publishing.sendToQueue(queue, Buffer.from(String(value)), {
        messageId: randomUUID(),
        timestamp: Math.floor(Date.now() / 1_000),
        persistent: true,
      });
    await publishing.waitForConfirms();

    const deliveries = new Map<string, number>();
    let redelivered = 0;
    const cutsAt = new Set(['40', '80', '120']);
    const acknowledged = new Set<string>();
    const subscribe = async (): Promise<void> => {
      const connection = await amqp.connect(url);
      // The cut is an error to amqplib; the test goes by the `close` that follows.
      connection.on('error', () => undefined);
      const channel = await connection.createChannel();
      channel.on('error', () => undefined);
      await channel.prefetch(10);
      let isCut = false;
      const recordThenCut = async (event: UsageEventInput): Promise<unknown> => {
        const recorded = await meter.record(event);
        if (cutsAt.delete(String(event.value))) {
          isCut = true;
          cut(connection);
          subscribing = subscribe();
        }
        return recorded;
      };
      const handler = (message: ConsumeMessage): void => {
        const id = String(message.properties.messageId);
        const times = (deliveries.get(id) ?? 0) + 1;
        deliveries.set(id, times);
        if (message.fields.redelivered) redelivered += 1;
        if (times === 1 && Number(message.content.toString()) % 7 === 0) throw new Error('on purpose');
      };
      const listener = meterConsumer(
        {
          ack: (message) => {
            channel.ack(message);
            // Whatever is acknowledged on a connection that was cut does not arrive: the message comes again.
            if (!isCut) acknowledged.add(String(message.properties.messageId));
          },
          nack: (...args) => {
            channel.nack(...args);
          },
        },
        handler,
        {
          meter: { add: (event) => meter.add(event), record: recordThenCut },
          consumer: 'worker',
          onFailure: () => 'requeue',
          usage: (message) => ({ tenantId: 't1', metric: 'tokens', value: message.content.toString() }),
          onProblem: () => undefined,
        },
      );
      await channel.consume(queue, listener);
      onTestFinished(() => {
        cut(connection);
      });
    };
    let subscribing = subscribe();
    await waitFor(
      'all messages to be acknowledged',
      async () => {
        await subscribing;
        return acknowledged.size === MESSAGES ? true : undefined;
      },
      { deadlineMs: 60_000 },
    );
    expect(cutsAt.size).toBe(0);
    expect(redelivered).toBeGreaterThan(MESSAGES / 7);
    await bed.expectCountedOnce(MESSAGES);
  },
  120_000,
);
