/**
 * Of a service's main, as a process. Guarantees:
 * - --help prints every variable and starts nothing; other arguments are wrong usage.
 * - All problems of a configuration are said at once, without any value.
 * - The start says what it waits for, in the log and on /readyz, and gives up by its deadline naming it.
 * - SIGTERM drains; a drain that takes too long ends with 1 and names what did not end.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { askHealth } from '../testing.ts';
import { waitFor } from '../waiting.ts';

const script = fileURLToPath(new URL('waiting-service.testing.ts', import.meta.url));
const DEADLINE = { deadlineMs: 30_000 };

function run(env: Record<string, string>, ...args: string[]) {
  const child = spawn(process.execPath, [script, ...args], {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = once(child, 'close').then(([code]: unknown[]) => code);
  const says = (pattern: RegExp): Promise<string> =>
    waitFor(String(pattern), () => pattern.exec(output)?.[1], DEADLINE);
  return { child, ended, says, output: () => output };
}

test('--help prints every variable with what it is, and starts nothing', async () => {
  const { ended, output } = run({}, '--help');
  expect(await ended).toBe(0);
  expect(output()).toMatch(/^meterhouse waiting: waits\.\n/);
  expect(output()).toContain('  STORE_URL  (URL; required)\n      What it waits for.\n');
  expect(output()).toContain('  DRAIN_MS  (whole number, 0 to 60000; default 0)\n');
  expect(output()).toContain('  METRICS_PORT  (whole number, 0 to 65535; may be left out)\n');
  const wrong = run({}, '--halp');
  expect(await wrong.ended).toBe(2);
});

test('all problems are said at once, with names and without values', async () => {
  const { ended, output } = run({ STORE_URL: 'hunter22', DRAIN_MS: 'soon', METRICS_PORT: '70000' });
  expect(await ended).toBe(1);
  for (const name of ['STORE_URL', 'DRAIN_MS', 'METRICS_PORT']) expect(output()).toContain(`${name}: `);
  expect(output()).not.toContain('hunter22');
});

test('the start says what it waits for, and gives up by its deadline', async () => {
  const env = { STORE_URL: 'http://ann:hunter22@127.0.0.1:1', METRICS_PORT: '0', START_TIMEOUT_MS: '8000' };
  const { ended, output, says } = run(env);
  const url = await says(/"at":"([^"]+)"/);
  await says(/"msg":"(waiting for the store)"/);
  expect(await askHealth(url, '/readyz')).toMatchObject({
    status: 503,
    body: { parts: [{ part: 'the store', reason: 'the start waits for it: [away] [redacted]' }] },
  });
  expect((await askHealth(url, '/healthz')).status).toBe(200);
  expect(await ended).toBe(1);
  expect(output()).toContain('waited 8000 ms for the store at the start');
  expect(output()).not.toContain('hunter22');
});

test('SIGTERM drains, and a drain that takes too long ends with 1', async () => {
  const env = { STORE_URL: 'http://up', METRICS_PORT: '0' };
  const patient = run({ ...env, DRAIN_MS: '200' });
  await patient.says(/"msg":"(running)"/);
  patient.child.kill('SIGTERM');
  expect(await patient.ended).toBe(0);
  expect(patient.output()).toContain('"msg":"drained"');
  const hasty = run({ ...env, DRAIN_MS: '60000', DRAIN_TIMEOUT_MS: '100' });
  await hasty.says(/"msg":"(running)"/);
  hasty.child.kill('SIGTERM');
  expect(await hasty.ended).toBe(1);
  expect(hasty.output()).toContain('not stopped within the deadline: waiting;');
});
