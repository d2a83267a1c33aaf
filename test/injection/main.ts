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
  const { places, operations, byStatus, faults, canariesUntouched } = await runInjection(
    stack.endpoints,
    options,
  );
  say(`${places.size} texts of ${operations} operations`);
  say(JSON.stringify(Object.fromEntries([...byStatus].sort(([a], [b]) => a - b))));
  for (const fault of faults) say(fault);
  const passed = faults.length === 0 && canariesUntouched;
  say(
    passed
      ? 'every text was taken as a value'
      : `FAILED: ${faults.length} faults, canaries untouched: ${canariesUntouched}`,
  );
  if (!passed) process.exitCode = 1;
} finally {
  await stack.stop();
  await rm(dataDir, { recursive: true, force: true });
}
