/** Sends the bench's events at a steady rate until it is ended. */
import { parseArgs } from 'node:util';
import { setTimeout as delay } from 'node:timers/promises';
import { createEventEncoder, createKafka } from '@meterhouse/kafka';
import { createLogger } from '@meterhouse/runtime';
import { benchEvent, seededRandom } from './events.ts';

const EVERY_MS = 50;

const { values } = parseArgs({
  options: {
    brokers: { type: 'string', default: '' },
    topic: { type: 'string', default: '' },
    rate: { type: 'string', default: '1000' },
    'schema-id': { type: 'string', default: '0' },
  },
});

const kafka = createKafka({
  brokers: [values.brokers],
  clientId: 'bench-load',
  logger: createLogger('load', 'error'),
});
const encode = createEventEncoder(Number(values['schema-id']));
const producer = kafka.producer();
await producer.connect();
process.stdout.write('ready\n');
const random = seededRandom(Date.now());
const startedAt = performance.now();
for (let sent = 0; ;) {
  const due = Math.floor(((performance.now() - startedAt) * Number(values.rate)) / 1_000);
  if (due > sent) {
    const now = Date.now();
    const messages = Array.from({ length: Math.min(due - sent, 5_000) }, () => {
      const event = benchEvent(0, now, random);
      return { key: event.tenantId, value: encode(event) };
    });
    await producer.send({ topic: values.topic, messages });
    sent += messages.length;
  } else await delay(EVERY_MS);
}
