/**
 * Guarantee, with a real process that is killed while it holds a gauge, and a spool: every interval that was
 * complete at its last heartbeat is counted, once and without a gap, and nothing after it.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { waitFor } from '@meterhouse/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { createMeter } from '../../create-meter.ts';
import { newSink } from '../../spool/sink.testing.ts';

test('a process that is killed is billed up to the last slot that its last heartbeat completed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'meterhouse-gauge-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const sink = await newSink(onTestFinished);
  sink.isAway = true;
  const script = fileURLToPath(new URL('gauge-process.testing.ts', import.meta.url));
  const child = spawn(process.execPath, [script, folder, sink.url], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  const told = (): { id: string; ts: number; value: string }[] =>
    said
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as { id: string; ts: number; value: string });
  await waitFor('some slots told', () => (told().length > 3 ? true : undefined), { deadlineMs: 120_000 });
  child.kill('SIGKILL');
  const killedAtMs = Date.now();
  await once(child, 'close');

  const events = told();
  const [first] = events;
  // 3,600 for an hour is 1 for a second: each slot after the first is whole, and follows on the one before.
  expect(events.slice(1).every(({ ts, value }) => value === '1' && ts % 1_000 === 0)).toBe(true);
  const startSlot = Math.floor((first?.ts ?? 0) / 1_000);
  expect(events.map(({ ts }) => Math.floor(ts / 1_000))).toEqual(events.map((_, index) => startSlot + index));
  expect((events.at(-1)?.ts ?? 0) + 1_000).toBeLessThanOrEqual(killedAtMs);

  sink.isAway = false;
  const next = createMeter({
    source: 'test',
    adapter: 'http',
    http: { url: sink.url, format: 'openmeter' },
    delivery: 'spool',
    spool: { folder },
  });
  onTestFinished(async () => {
    await next.close();
  });
  await next.flush();
  // One more may have been taken than there was time to say.
  expect(sink.ids.slice(0, events.length)).toEqual(events.map(({ id }) => id));
  expect(sink.ids.length - events.length).toBeLessThanOrEqual(1);
  expect(new Set(sink.ids).size).toBe(sink.ids.length);
}, 180_000);
