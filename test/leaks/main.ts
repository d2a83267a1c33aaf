/**
 * `npm run test:leaks`: 100,000 random calls with both checks, and as many again with each of them taken out;
 * in the end with both taken out, which has to find leaks.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startStack, type Endpoints } from '@meterhouse/dev-stack';
import { Releases } from '@meterhouse/runtime';
import { runLeaks, type LeakResult } from './run-leaks.ts';

const { values: args } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    calls: { type: 'string', default: '100000' },
    'calls-per-world': { type: 'string', default: '10000' },
    // The folder of one that runs already.
    stack: { type: 'string' },
    'with-both-out': { type: 'string', default: '2000' },
  },
});

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const SHOWN = 10;

const releases = new Releases();
try {
  const endpoints = args.stack === undefined ? await newStack() : await runningStack(args.stack);
  say(`seed ${args.seed}`);
  let failed = false;
  for (const [words, checks] of [
    ['both checks', { api: true, rows: true }],
    ['row-level security alone', { api: false, rows: true }],
    ['the API’s check alone', { api: true, rows: false }],
    ['neither', { api: false, rows: false }],
  ] as const) {
    const neither = !checks.api && !checks.rows;
    const calls = Number(neither ? args['with-both-out'] : args.calls);
    const callsPerWorld = Number(args['calls-per-world']);
    const result = await runLeaks(endpoints, { seed: args.seed, calls, callsPerWorld, checks, say });
    for (const line of shown(words, result)) say(line);
    failed ||= neither === (result.leaks.length === 0);
  }
  if (failed) process.exitCode = 1;
  say(failed ? 'FAILED' : 'no leak with either check, and leaks without them');
} finally {
  await releases.releaseAll();
}

async function newStack(): Promise<Endpoints> {
  const dataDir = await mkdtemp(join(tmpdir(), 'meterhouse-leaks-'));
  releases.add('the folder', () => rm(dataDir, { recursive: true, force: true }));
  const stack = await startStack({ dataDir, onProgress: say });
  releases.add('the stack', () => stack.stop());
  return stack.endpoints;
}

async function runningStack(dataDir: string): Promise<Endpoints> {
  return JSON.parse(await readFile(join(dataDir, 'endpoints.json'), 'utf8')) as Endpoints;
}

function shown(
  words: string,
  { calls, worlds, tenants, byStatus, done, asked, operations, leaks, rowsChanged }: LeakResult,
): string[] {
  const statuses = [...byStatus].sort(([a], [b]) => a - b).map(([status, times]) => `${status}: ${times}`);
  const kinds = Map.groupBy(leaks, ({ kind, operation }) => `${kind} ${operation}`);
  return [
    `${words}: ${calls} calls, ${worlds} worlds with ${tenants} tenants, ${asked.size} of ${operations.length} operations asked, ${done.size} of them done`,
    `  ${statuses.join(', ')}; changes to ${rowsChanged} rows' owners looked at`,
    `  ${leaks.length} leaks`,
    ...[...kinds].map(([kind, of]) => `  ${of.length} × ${kind}`),
    ...leaks.slice(0, SHOWN).map(({ kind, operation, detail }) => `    ${kind} ${operation}: ${detail}`),
  ];
}
