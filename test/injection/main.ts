/** `npm run test:injection`: all of the corpus in every text of every operation. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startStack } from '@meterhouse/dev-stack';
import { runInjection } from './run-injection.ts';

const { values: args } = parseArgs({
  options: { seed: { type: 'string', default: '1' }, texts: { type: 'string', default: '1000' } },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const dataDir = await mkdtemp(join(tmpdir(), 'meterhouse-injection-'));
const stack = await startStack({ dataDir, onProgress: say });
try {
  const options = { seed: args.seed, textsAPlace: Number(args.texts), say };
  const { places, operations, byStatus, faults, touched } = await runInjection(stack.endpoints, options);
  say(`${places.size} texts of ${operations} operations`);
  say(JSON.stringify(Object.fromEntries([...byStatus].sort(([a], [b]) => a - b))));
  for (const fault of faults) say(fault);
  for (const row of touched) say(row.slice(0, 1_500));
  const passed = faults.length + touched.length === 0;
  say(
    passed
      ? 'every text was taken as a value'
      : `FAILED: ${faults.length} faults, ${touched.length} rows of another tenant came, went or changed`,
  );
  if (!passed) process.exitCode = 1;
} finally {
  await stack.stop();
  await rm(dataDir, { recursive: true, force: true });
}
