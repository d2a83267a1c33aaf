/** A process that holds a gauge, and spools for a sink that is away. It says what it has told, until it is killed. */
import { writeSync } from 'node:fs';
import { createMeter } from '../../create-meter.ts';
import { createGauges } from './index.ts';

const [folder = '', url = ''] = process.argv.slice(2);
const meter = createMeter({
  source: 'test',
  adapter: 'http',
  http: { url, format: 'openmeter', breaker: { failures: 1_000 } },
  delivery: 'spool',
  spool: { folder },
});
const gauges = createGauges({
  meter: {
    add: (event) => {
      const isTaken = meter.add(event);
      if (isTaken) writeSync(1, `${JSON.stringify(event)}\n`);
      return isTaken;
    },
  },
  slotMs: 1_000,
  heartbeatEveryMs: 200,
});
gauges.open({ name: 'node-7/gpu-0', tenantId: 'acme', metric: 'gpu.hours' }).set(3_600);
// Neither the gauge nor the meter does.
setInterval(() => undefined, 60_000);
