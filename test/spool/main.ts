/** `npm run test:spool`: services that meter through spools are killed in a few hundred rounds; nothing may be lost. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startStack } from '@meterhouse/dev-stack';
import { runSpoolFaults, type SpoolFaultResult } from './run-spool-faults.ts';

const { values: args } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '300' },
    'max-round-ms': { type: 'string', default: '800' },
  },
});

const say = (line: string): void => void process.stdout.write(`${line}\n`);

const dataDir = await mkdtemp(join(tmpdir(), 'meterhouse-spool-stack-'));
const stack = await startStack({ dataDir, onProgress: say });
try {
  const result = await runSpoolFaults(stack.endpoints, {
    seed: args.seed,
    rounds: Number(args.rounds),
    maxRoundMs: Number(args['max-round-ms']),
    brokerPid: stack.endpoints.pids['kafka'] ?? null,
    say,
  });
  for (const [name, figure] of Object.entries(result)) say(`${name.padEnd(22)} ${String(figure)}`);
  const isExact = exact(result);
  say(isExact ? 'taken = counted, exactly' : 'FAILED: what was taken is not what is counted');
  if (!isExact) process.exitCode = 1;
} finally {
  await stack.stop();
  await rm(dataDir, { recursive: true, force: true });
}

function exact({ lost, wrong, quarantined }: SpoolFaultResult): boolean {
  return lost === 0 && wrong === 0 && quarantined === 0n;
}
