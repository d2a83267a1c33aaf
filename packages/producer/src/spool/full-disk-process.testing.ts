/** A meter whose spool is on a disk that takes no more at some point. It says what it took and what it did not. */
import { createMeter } from '../create-meter.ts';
import { MeterError } from '../errors.ts';

const meter = createMeter();
const taken: string[] = [];
const codes = new Set<string>();
let problem: unknown = null;
for (let count = 0; count < 1_000; count++) {
  const id = `e${count}`;
  await meter.record({ id, tenantId: 'acme', metric: 'calls' }).then(
    () => taken.push(id),
    (error: unknown) => {
      if (!(error instanceof MeterError)) throw error;
      codes.add(error.code);
      problem ??= { code: error.code, canRetry: error.canRetry, hasEvent: error.event !== null };
    },
  );
}
const isTaken = meter.add({ id: 'last', tenantId: 'acme', metric: 'calls' });
const counters = await meter.close({ deadlineMs: 0 });
process.stdout.write(JSON.stringify({ taken, codes: [...codes], problem, isTaken, counters }));
