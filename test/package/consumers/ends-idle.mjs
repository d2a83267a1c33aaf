// A meter that nobody closes; the process has nothing else to do.
import { createMeter } from '@meterhouse/producer';

const configuration = JSON.parse(process.argv[2]);
const meter = createMeter({ source: 'ends', ...configuration });
// Loaded, or told that it cannot be: neither keeps the process.
await meter.ready().catch(() => undefined);
process.stdout.write(
  `result ${JSON.stringify({ taken: configuration.delivery === 'spool' ? take() : 0 })}\n`,
);

function take() {
  let taken = 0;
  for (let index = 0; index < 100; index++)
    if (meter.add({ id: `e${index}`, tenantId: 'acme', metric: 'api.calls' })) taken += 1;
  // Whoever ends a process by hand does not wait for a close either.
  setImmediate(() => process.exit());
  return taken;
}
