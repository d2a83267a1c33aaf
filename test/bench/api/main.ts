/** `npm run bench:api`: what HTTP costs, as ratios of runs that took turns on one machine. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startStack } from '@meterhouse/dev-stack';
import { measureIngest, showIngest, type IngestOptions } from './ingest.ts';
import { measureReading, showReading } from './usage.ts';

const { values: args } = parseArgs({
  options: {
    json: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    events: { type: 'string', default: '100000' },
    batch: { type: 'string', default: '100' },
    connections: { type: 'string', default: '16' },
    requests: { type: 'string', default: '200' },
  },
});

const say = (line: string): void => void process.stdout.write(`${line}\n`);

const dataDir = await mkdtemp(join(tmpdir(), 'meterhouse-bench-api-'));
const stack = await startStack({ dataDir, onProgress: say });
try {
  const options: IngestOptions = {
    rounds: Number(args.rounds),
    events: Number(args.events),
    batchEvents: Number(args.batch),
    connections: Number(args.connections),
    say,
  };
  const ingest = await measureIngest(stack.endpoints, options);
  for (const line of showIngest(ingest, options)) say(line);
  const reading = await measureReading(stack.endpoints, { requests: Number(args.requests), say });
  for (const line of showReading(reading)) say(line);
  const machine = { cores: cpus().length, model: cpus()[0]?.model };
  if (args.json !== undefined)
    await writeFile(args.json, `${JSON.stringify({ machine, ingest, reading }, null, 2)}\n`);
} finally {
  await stack.stop();
  await rm(dataDir, { recursive: true, force: true });
}
