// Everything goes wrong that can: no rejection may be left to Node, which would end the process.
import { createMeter } from '@meterhouse/producer';

const away = 'http://127.0.0.1:1';
const meters = [
  createMeter({
    source: 'refuses',
    adapter: 'http',
    http: { url: away },
    bounds: { deliveryMs: 50, attemptMs: 50 },
  }),
  createMeter({
    source: 'refuses',
    adapter: 'kafka',
    kafka: { brokers: ['127.0.0.1:1'], schemaRegistryUrl: away },
  }),
  createMeter({ source: 'refuses', adapter: 'postgres', postgres: { url: 'postgres://127.0.0.1:1/none' } }),
  createMeter({
    source: 'refuses',
    adapter: 'noop',
    usage: { cache: 'redis', redisUrl: 'redis://127.0.0.1:1' },
    snapshots: { brokers: ['127.0.0.1:1'], schemaRegistryUrl: away },
    check: { from: 'snapshots' },
  }),
];
let unhandled = 0;
process.on('unhandledRejection', () => (unhandled += 1));
for (const meter of meters) {
  meter.add({ metric: 'no metric' });
  meter.add({ tenantId: 'acme', metric: 'api.calls' });
}
const [first] = meters;
const code = await first.record({ tenantId: 'acme', metric: 'api.calls' }).catch((error) => error.code);
const startedAt = performance.now();
const closed = await Promise.all(meters.map((meter) => meter.close({ deadlineMs: 200 })));
const closedMs = performance.now() - startedAt;
await new Promise((resolve) => setImmediate(resolve));
process.stdout.write(
  `result ${JSON.stringify({ unhandled, code, closedMs, refused: closed.map(({ refused }) => refused.invalid_event) })}\n`,
);
