/**
 * first-run.mjs is the first thing that runs on a fresh machine, and stands between npm and every script:
 *
 * - what the machine lacks is said in one line with the command that installs it
 * - the script runs on the pinned Node with the packages' programs on its PATH, and what Node compiles is kept
 * - signals and ends pass through it: exit code, SIGTERM, death by a signal
 * - SIGKILL of it, or of the npm above it, ends the script
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { processExists } from './process/process-tree.ts';
import { waitUntil } from './wait-until.ts';

const firstRun = fileURLToPath(new URL('../first-run.mjs', import.meta.url));
const packagesBin = fileURLToPath(new URL('../../../node_modules/.bin', import.meta.url));

let dir: string;
let script: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'meterhouse-first-run-test-'));
  script = join(dir, 'script.mjs');
});

afterEach(() => rm(dir, { recursive: true, force: true }));

interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Without what npm and first-run set: this test itself runs below them. */
function start(
  program: string,
  args: string[],
  env: Record<string, string> = {},
): [ChildProcess, Promise<Ended>] {
  const { npm_lifecycle_event: _, NODE_COMPILE_CACHE: __, ...outer } = process.env;
  const child = spawn(program, args, {
    cwd: dir,
    env: { ...outer, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (piece: Buffer) => (stdout += String(piece)));
  child.stderr.on('data', (piece: Buffer) => (stderr += String(piece)));
  const ended = once(child, 'close').then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as NodeJS.Signals | null,
    stdout,
    stderr,
  }));
  return [child, ended];
}

/** A script that tells its pid, and lives until it is told to end. */
async function writeLivingScript(): Promise<void> {
  await writeFile(
    script,
    `import { renameSync, writeFileSync } from 'node:fs';
     process.on('SIGTERM', () => process.exit(7));
     setInterval(() => undefined, 60_000);
     writeFileSync('pid.next', String(process.pid));
     renameSync('pid.next', 'pid');`,
  );
}

function scriptPid(): Promise<number> {
  return waitUntil(async () => Number(await readFile(join(dir, 'pid'), 'utf8')), {
    what: 'the script runs',
    timeoutMs: 20_000,
  });
}

async function expectGone(pid: number): Promise<void> {
  await waitUntil(() => expect(processExists(pid)).toBe(false), {
    what: 'the script is gone',
    timeoutMs: 10_000,
  });
}

test('runs the script on the pinned Node, with its arguments and the programs of the packages', async () => {
  await writeFile(
    script,
    `import { getCompileCacheDir } from 'node:module';
     const { version, argv, env } = process;
     console.log(JSON.stringify([version, argv.slice(2), env.PATH, getCompileCacheDir()]))`,
  );
  const [, ended] = start('node', [firstRun, script, 'a', 'b c'], { PATH: withoutPackages() });
  const { code, stdout } = await ended;
  expect(code).toBe(0);
  const [version, args, path, compiled] = JSON.parse(stdout) as [string, string[], string, string];
  expect(version).toMatch(/^v24\./);
  expect(args).toEqual(['a', 'b c']);
  expect(path.split(':')[0]).toBe(packagesBin);
  expect(compiled).toContain(join(packagesBin, '../.cache/node'));
});

test.each([
  ['process.exit(3)', { code: 3, signal: null }],
  [`process.kill(process.pid, 'SIGKILL')`, { code: null, signal: 'SIGKILL' }],
])('ends as the script does: %s', async (text, end) => {
  await writeFile(script, text);
  const [, ended] = start('node', [firstRun, script]);
  expect(await ended).toMatchObject(end);
});

test('passes SIGTERM on and waits for the script to end', async () => {
  await writeLivingScript();
  const [child, ended] = start('node', [firstRun, script]);
  const pid = await scriptPid();
  child.kill('SIGTERM');
  expect(await ended).toMatchObject({ code: 7 });
  expect(processExists(pid)).toBe(false);
});

test('does not leave the script behind when it is killed', async () => {
  await writeLivingScript();
  const [child] = start('node', [firstRun, script]);
  const pid = await scriptPid();
  child.kill('SIGKILL');
  await expectGone(pid);
});

test('does not leave the script behind when npm is killed', async () => {
  await writeLivingScript();
  const scripts = { start: `node ${firstRun} ${script}` };
  await writeFile(join(dir, 'package.json'), JSON.stringify({ name: 'below-npm', scripts }));
  const [npm] = start('npm', ['start']);
  const pid = await scriptPid();
  npm.kill('SIGKILL');
  await expectGone(pid);
});

test.each([
  ['no Java', undefined, /^Meterhouse needs Java 17 or later and Maven: \S.* install .*maven/],
  [
    'an old Java',
    'openjdk version "11.0.2"',
    /^Meterhouse needs Java 17 or later \(this is 11\) and Maven: \S.* install /,
  ],
  ['no Maven', 'openjdk version "21"', /^Meterhouse needs Maven: \S.* install .*maven$/],
])('says in one line what to install: %s', async (_, javaVersion, expected) => {
  await symlink('/bin/sh', join(dir, 'sh'));
  if (javaVersion !== undefined) {
    const java = join(dir, 'java');
    await writeFile(java, `#!/bin/sh\necho '${javaVersion}' >&2\n`);
    await chmod(java, 0o755);
  }
  await writeFile(script, '');
  const [, ended] = start(process.execPath, [firstRun, script], {
    PATH: dir,
    METERHOUSE_CACHE: join(dir, 'cache'),
  });
  const { code, stdout, stderr } = await ended;
  expect([code, stdout]).toEqual([1, '']);
  expect(stderr.trim().split('\n')).toHaveLength(1);
  expect(stderr.trim()).toMatch(expected);
});

function withoutPackages(): string {
  return (process.env['PATH'] ?? '')
    .split(':')
    .filter((entry) => entry !== packagesBin)
    .join(':');
}
