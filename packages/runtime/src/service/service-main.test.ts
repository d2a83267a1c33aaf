/**
 * Of a service's main, as a process. Guarantees:
 * - --help prints every variable and starts nothing; other arguments are wrong usage.
 * - All problems of a configuration are said at once, without any value.
 * - The start says what it waits for, in the log and on /readyz, and gives up by its deadline naming it; at once
 *   where waiting mends nothing. A signal ends it at any time.
 * - SIGTERM and SIGINT drain, within what the service is told that it has, and /readyz says so meanwhile; a drain
 *   that takes too long ends with 1 and names what did not end.
 * - A service that fails ends with 1, however it fails, and the log says why.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { askHealth } from '../testing.ts';
import { waitFor } from '../waiting.ts';

const script = fileURLToPath(new URL('waiting-service.testing.ts', import.meta.url));
const DEADLINE = { deadlineMs: 30_000 };
/** Its metrics port keeps it running. */
const UP = { STORE_URL: 'http://up', METRICS_PORT: '0' };

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
  const env = { STORE_URL: 'http://ann:hunter22@away:1', METRICS_PORT: '0', START_TIMEOUT_MS: '8000' };
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

test.each([
  ['wrong', 'STORE_URL: nobody can use it'],
  ['hopeless', '[hopeless]'],
])('a start that waiting does not mend ends at once: %s', async (hostname, why) => {
  const { ended, output } = run({ STORE_URL: `http://${hostname}`, START_TIMEOUT_MS: '8000' });
  expect(await ended).toBe(1);
  expect(output()).toContain(why);
  expect(output()).not.toContain('waiting for the store');
  expect(output()).not.toContain('waited 8000 ms');
});

test('a signal ends a start that waits', async () => {
  const { child, ended, output, says } = run({ STORE_URL: 'http://away', START_TIMEOUT_MS: '20000' });
  await says(/"msg":"(waiting for the store)"/);
  child.kill('SIGTERM');
  expect(await ended).toBe(0);
  expect(output()).toContain('"msg":"stopped while starting"');
});

test.each(['SIGTERM', 'SIGINT'] as const)(
  '%s drains, within what is left of the deadline',
  async (signal) => {
    const { child, ended, says } = run({ ...UP, DRAIN_MS: '200', DRAIN_TIMEOUT_MS: '20000' });
    await says(/"msg":"(running)"/);
    child.kill(signal);
    expect(await ended).toBe(0);
    expect(Number(await says(/"leftMs":([0-9.]+),"msg":"drained"/))).toBeLessThanOrEqual(20_000);
  },
);

test('a drain that takes too long ends with 1', async () => {
  const hasty = run({ ...UP, DRAIN_MS: '60000', DRAIN_TIMEOUT_MS: '100' });
  await hasty.says(/"msg":"(running)"/);
  hasty.child.kill('SIGTERM');
  expect(await hasty.ended).toBe(1);
  expect(hasty.output()).toContain('not stopped within the deadline: waiting;');
});

test('/readyz is well once it runs, and says that it is stopping for as long as it drains', async () => {
  const { child, says } = run({ ...UP, DRAIN_MS: '60000', DRAIN_TIMEOUT_MS: '60000' });
  const url = await says(/"at":"([^"]+)"/);
  await says(/"msg":"(running)"/);
  expect(await askHealth(url, '/readyz')).toMatchObject({ status: 200, body: { ready: true } });
  child.kill('SIGTERM');
  await says(/"msg":"(stopping)"/);
  expect(await askHealth(url, '/readyz')).toMatchObject({
    status: 503,
    body: { ready: false, parts: [{ part: 'service', reason: 'it is stopping' }] },
  });
});

test.each([
  ['saying so', 'failed'],
  ['a rejection', 'unhandled rejection'],
  ['an exception', 'uncaught exception'],
])('a service that fails by %s ends with 1 and says why', async (how, said) => {
  const { ended, output } = run({ ...UP, FAILS_BY: how });
  expect(await ended).toBe(1);
  expect(output()).toMatch(new RegExp(`"message":"it is broken".*"msg":"${said}"`));
});
