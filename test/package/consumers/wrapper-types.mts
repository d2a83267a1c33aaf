/** What a compiler sees of the wrappers, beside the types of the libraries that they wrap. */
import type amqplib from 'amqplib';
import { Worker } from 'bullmq';
import express from 'express';
import { fastify } from 'fastify';
import type { Kafka } from 'kafkajs';
import { Pool } from 'pg';
import { createMeter } from '@meterhouse/producer';
import { meterConsumer } from '@meterhouse/producer/amqplib';
import { meterProcessor } from '@meterhouse/producer/bullmq';
import { expressUsage } from '@meterhouse/producer/express';
import { fastifyUsage } from '@meterhouse/producer/fastify';
import { createGauges, type Gauge } from '@meterhouse/producer/gauge';
import { meterEachMessage } from '@meterhouse/producer/kafkajs';
import { createLlmUsage } from '@meterhouse/producer/llm';
import { metered } from '@meterhouse/producer/metered';
import { meterListener } from '@meterhouse/producer/node-http';
import { meterPool } from '@meterhouse/producer/pg';

const meter = createMeter({ source: 'types', adapter: 'noop' });
const usage = () => ({ tenantId: 'acme', metric: 'jobs' });
const message = { meter, consumer: 'worker', usage };

express().use(expressUsage({ meter, tenant: (request) => request.header('x-tenant') }));
void fastify().register(fastifyUsage({ meter, tenant: (request) => request.id }));
meterListener((_request, response) => void response.end(), { meter, tenant: ({ url }) => url });
export const rows: Promise<{ rows: unknown[] }> = meterPool(new Pool(), { meter }).query('SELECT 1');
export const consume = async (channel: amqplib.Channel): Promise<void> => {
  const listener = meterConsumer(channel, ({ content }) => content.length, {
    ...{ meter, consumer: 'worker', onFailure: () => 'requeue' as const },
    usage: (_message, length) => ({ tenantId: 'acme', metric: 'bytes', value: length ?? 0 }),
  });
  await channel.consume('jobs', listener);
};
export const worker = (): Worker =>
  new Worker(
    'jobs',
    meterProcessor((job) => Promise.resolve(job.id), message),
  );
export const run = (kafka: Kafka): Promise<void> =>
  kafka.consumer({ groupId: 'g' }).run({ eachMessage: meterEachMessage(() => Promise.resolve(), message) });
export const complete: (prompt: string) => Promise<string> = createLlmUsage({ meter }).metered(
  (prompt: string) => Promise.resolve(prompt),
);
export const doubled: (n: number) => number = metered((n: number) => 2 * n, { meter, usage });
export const gpu: Gauge = createGauges({ meter }).open({ name: 'g', tenantId: 'acme', metric: 'gpu.hours' });

// @ts-expect-error what becomes of a message whose handler failed has to be said
meterConsumer({ ack: () => undefined, nack: () => undefined }, () => undefined, message);
// @ts-expect-error a gauge has a tenant
createGauges({ meter }).open({ name: 'g', metric: 'gpu.hours' });
