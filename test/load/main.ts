/** `npm run test:load`: a minute of events over HTTP at the machine's limit, with the API killed on the way, often enough that what was acknowledged too early shows. */
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startStack } from '@meterhouse/dev-stack';
import { runLoad, type LoadResult } from './run-load.ts';

const { values: args } = parseArgs({
  options: {
    json: { type: 'string' },
    seconds: { type: 'string', default: '60' },
    kills: { type: 'string', default: '5' },
    connections: { type: 'string', default: '16' },
    batch: { type: 'string', default: '100' },
  },
});

const say = (line: string): void => void process.stdout.write(`${line}\n`);

const dataDir = await mkdtemp(join(tmpdir(), 'meterhouse-load-stack-'));
const stack = await startStack({ dataDir, onProgress: say });
try {
  const result = await runLoad(stack.endpoints, {
    seconds: Number(args.seconds),
    kills: Number(args.kills),
    connections: Number(args.connections),
    batchEvents: Number(args.batch),
    say,
  });
  const figures = figuresOf(result);
  say(JSON.stringify(figures, null, 2));
  say(
    figures.exact
      ? 'acknowledged = counted, for every tenant'
      : 'FAILED: acknowledged is not what is counted',
  );
  if (args.json !== undefined) await writeFile(args.json, `${JSON.stringify(figures, null, 2)}\n`);
  if (!figures.exact) process.exitCode = 1;
} finally {
  await stack.stop();
  await rm(dataDir, { recursive: true, force: true });
}

function figuresOf({ acknowledged, counted, quarantined, sendingMs }: LoadResult) {
  const total = [...counted.values()].reduce((sum, { events }) => sum + events, 0n);
  return {
    exact: quarantined === 0n && isDeepStrictEqual(counted, acknowledged.byTenant),
    acknowledged: acknowledged.events,
    counted: total.toString(),
    quarantined: quarantined.toString(),
    requests: acknowledged.requests,
    unanswered: acknowledged.unanswered,
    refusedByStatus: Object.fromEntries(acknowledged.refused),
    seconds: sendingMs / 1_000,
    eventsPerSecond: Math.round((acknowledged.events * 1_000) / sendingMs),
  };
}
