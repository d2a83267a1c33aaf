/**
 * A service with a spool: records the ids that it reads, a line each, says which it took, and answers an empty
 * line with its counters.
 */
import { createInterface } from 'node:readline';
import { createMeter } from '@meterhouse/producer';

const [folder = '', url = '', adoptEveryMs = '100'] = process.argv.slice(2);
const meter = createMeter({
  source: 'test',
  adapter: 'http',
  http: { url, format: 'openmeter', breaker: { failures: 1_000 } },
  delivery: 'spool',
  spool: { folder, adoptEveryMs: Number(adoptEveryMs) },
});
for await (const id of createInterface({ input: process.stdin })) {
  if (id === '') process.stdout.write(`${JSON.stringify(meter.counters())}\n`);
  else {
    await meter.record({ id, tenantId: 'acme', metric: 'calls' });
    process.stdout.write(`${id}\n`);
  }
}
await meter.close();
