/**
 * Guarantee: a look into a file that a process holds and writes to shows whole what the file was at one moment:
 * everything taken before the look, without a gap; its holder goes on undisturbed, and keeps the file.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { waitFor } from '@meterhouse/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { lookInto } from './look-into.ts';
import { spoolFilesIn } from './spool-folder.ts';

test('a look into a file that is being written to shows all that was taken, as of one moment', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'meterhouse-look-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const script = fileURLToPath(new URL('spool-process.testing.ts', import.meta.url));
  // To a file: a pipe would be full while we read.
  const said = join(folder, 'taken');
  const output = openSync(said, 'w');
  const child = spawn(process.execPath, [script, folder], { stdio: ['ignore', output, 'inherit'] });
  closeSync(output);
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await once(child, 'close');
  });
  const taken = (): number => readFileSync(said, 'utf8').split('\n').length - 1;
  const takes = (more: number): Promise<number> =>
    waitFor('events taken', () => (taken() >= more ? taken() : undefined), { deadlineMs: 30_000 });
  let before = await takes(1);
  const [path = ''] = spoolFilesIn(folder);
  for (let look = 0; look < 8; look++) {
    const { isHeld, found } = await lookInto(path, (file) => ({
      events: file.events,
      numbers: file.readAfter(0, 1e6).map(({ seq }) => seq),
    }));
    expect(isHeld).toBe(true);
    expect(found.events).toBeGreaterThanOrEqual(before);
    expect(found.numbers).toEqual(Array.from({ length: found.events }, (_, index) => index + 1));
    // More, so that the next look meets another state of its log.
    before = await takes(before + 500);
  }
});
