// What a project does with each wrapper once, over the library that it wraps. It gets the package's doors from who
// imports or requires them, and says what each counted.
const { once } = require('node:events');
const { createServer } = require('node:http');
const { randomUUID } = require('node:crypto');

/** A meter that keeps what it gets, and whom a consumer can wait for. */
function collecting() {
  const events = [];
  const recorded = Promise.withResolvers();
  return {
    events,
    first: recorded.promise,
    add: (event) => events.push(event) > 0,
    record: (event) => {
      events.push(event);
      recorded.resolve();
      return Promise.resolve({ id: event.id });
    },
  };
}

async function requested(listener, path) {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const answer = await fetch(`http://127.0.0.1:${server.address().port}${path}`);
  await answer.text();
  // What is counted is told after the answer.
  await new Promise((resolve) => setImmediate(resolve));
  server.close();
  server.closeAllConnections();
}

function expressWith(library) {
  return async ({ express: { expressUsage } }, meter) => {
    const app = require(library)();
    app.use(expressUsage({ meter, tenant: () => 'acme' }));
    app.get('/things/:id', (_request, response) => response.send('one'));
    await requested(app, '/things/1');
  };
}

const message = { consumer: 'worker', usage: () => ({ tenantId: 'acme', metric: 'jobs' }) };

const DOORS = {
  express5: expressWith('express'),
  express4: expressWith('express4'),
  fastify: async ({ fastify: { fastifyUsage } }, meter) => {
    const app = require('fastify').fastify();
    await app.register(fastifyUsage({ meter, tenant: () => 'acme' }));
    app.get('/things/:id', () => 'one');
    await (await fetch(`${await app.listen({ host: '127.0.0.1', port: 0 })}/things/1`)).text();
    await app.close();
  },
  nodeHttp: async ({ nodeHttp: { meterListener } }, meter) => {
    const options = { meter, tenant: () => 'acme', route: () => '/things/:id' };
    await requested(
      meterListener((_request, response) => response.end('one'), options),
      '/things/1',
    );
  },
  metered: async ({ metered: { metered } }, meter) => {
    await metered(() => Promise.resolve(), { meter, usage: () => ({ tenantId: 'acme', metric: 'jobs' }) })();
  },
  llm: ({ llm: { createLlmUsage } }, meter) => {
    const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };
    createLlmUsage({ meter, tenant: () => 'acme' }).count({ model: 'large', usage });
  },
  gauge: async ({ gauge: { createGauges } }, meter) => {
    const gauges = createGauges({ meter });
    gauges.open({ name: 'gpu-0', tenantId: 'acme', metric: 'gpu.hours' }).set(3_600_000);
    await new Promise((resolve) => setTimeout(resolve, 5));
    gauges.close();
  },
  pg: async ({ pg: { meterPool } }, meter, { postgres }) => {
    const { Pool } = require('pg');
    const pool = meterPool(new Pool({ connectionString: postgres }), { meter, tenant: () => 'acme' });
    await pool.query('SELECT 1 AS one');
    await pool.end();
  },
  bullmq: async ({ bullmq: { meterProcessor } }, meter, { redis }) => {
    const { Queue, Worker } = require('bullmq');
    const Redis = require('ioredis');
    const connection = new Redis(redis, { maxRetriesPerRequest: null });
    const name = `meterhouse-${randomUUID()}`;
    const queue = new Queue(name, { connection });
    const worker = new Worker(
      name,
      meterProcessor(() => Promise.resolve(), { ...message, meter }),
      {
        connection,
      },
    );
    await queue.add('job', {});
    await meter.first;
    await worker.close();
    await queue.obliterate({ force: true });
    await queue.close();
    connection.disconnect();
  },
  amqplib: async ({ amqplib: { meterConsumer } }, meter, { amqp }) => {
    const connection = await require('amqplib').connect(amqp);
    const channel = await connection.createChannel();
    const { queue } = await channel.assertQueue('', { exclusive: true });
    const options = { ...message, meter, onFailure: () => 'discard' };
    await channel.consume(
      queue,
      meterConsumer(channel, () => undefined, options),
    );
    const properties = { messageId: randomUUID(), timestamp: Math.floor(Date.now() / 1_000) };
    channel.sendToQueue(queue, Buffer.from('one'), properties);
    await meter.first;
    // It is acknowledged in the same turn.
    await new Promise((resolve) => setImmediate(resolve));
    await channel.close();
    await connection.close();
  },
  kafkajs: async ({ kafkajs: { meterEachMessage } }, meter, { kafka: { brokers, topic } }) => {
    const { Kafka, logLevel } = require('kafkajs');
    const kafka = new Kafka({ brokers, logLevel: logLevel.NOTHING });
    const producer = kafka.producer();
    await producer.connect();
    await producer.send({ topic, messages: [{ value: 'one' }] });
    await producer.disconnect();
    const consumer = kafka.consumer({ groupId: `meterhouse-${randomUUID()}` });
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    const eachMessage = meterEachMessage(() => Promise.resolve(), { ...message, meter });
    await consumer.run({ eachMessage });
    await meter.first;
    await consumer.disconnect();
  },
  postgresAdapter: async ({ producer: { createMeter } }, _meter, { postgres }) => {
    const meter = createMeter({ source: 'package', adapter: 'postgres', postgres: { url: postgres } });
    const hour = Math.floor(Date.now() / 3_600_000) * 3_600_000;
    await meter.record({ tenantId: 'acme', metric: 'calls', value: '2.5', ts: hour });
    const usage = await meter.getUsage({
      ...{ tenantId: 'acme', metric: 'calls' },
      ...{ from: new Date(hour).toISOString(), to: new Date(hour + 3_600_000).toISOString() },
    });
    await meter.close();
    return usage.value;
  },
};

/** @param doors the package's modules, by name */
module.exports = async function everyDoor(doors) {
  const { use, servers } = JSON.parse(process.argv[2]);
  const counted = {};
  for (const name of use) {
    const meter = collecting();
    const said = await DOORS[name](doors, meter, servers);
    counted[name] =
      said ?? meter.events.map(({ tenantId, metric, attrs }) => [tenantId, metric, attrs?.route]);
  }
  process.stdout.write(`result ${JSON.stringify(counted)}\n`);
};
