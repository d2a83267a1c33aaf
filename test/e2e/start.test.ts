/**
 * The main job, as `npm start` runs it:
 * - it drives the day through the real parts and ends with 0 and the verdict EQUAL; what is counted
 *   is what the day's own generator says, to the last digit
 * - an aggregator that is killed in the middle is started again, visibly, and nothing is lost or
 *   counted twice
 * - a second start on the same data dir sends the same day and counts nothing twice
 * - a data dir in use is refused in one clear line
 * - Ctrl-C stops everything; also when the main job is killed, nothing is left running
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readEndpoints, type Endpoints } from '@meterhouse/dev-stack';
import { waitFor } from '@meterhouse/runtime';
import { formatDecimal } from '@meterhouse/usage';
import { DayTotals } from '../../packages/dev-stack/src/start/day/day-totals.ts';
import { usageDay } from '../../packages/dev-stack/src/start/day/usage-day.ts';

const main = fileURLToPath(new URL('../../packages/dev-stack/src/start/main.ts', import.meta.url));
const RUN_MS = 300_000;
const EVENTS = 12_000;

interface Started {
  readonly process: ChildProcess;
  readonly output: () => string;
  readonly exitCode: Promise<number | null>;
}

const started: Started[] = [];
const dataDir = mkdtempSync(join(tmpdir(), 'meterhouse-start-'));
const seenPids = new Map<string, number>();

afterAll(async () => {
  for (const run of started) {
    run.process.kill('SIGKILL');
    await run.exitCode;
  }
  await waitUntilGone([...seenPids.values()]);
  rmSync(dataDir, { recursive: true, force: true });
});

describe('npm start', () => {
  let first = '';
  let firstExit: number | null = null;
  let refused = '';
  let refusedExit: number | null = null;
  let second = '';
  let secondExit: number | null = null;

  beforeAll(async () => {
    const run = start(['--once', '--events', String(EVENTS)]);
    const endpoints = await endpointsOf(run);
    const other = start(['--once']);
    refusedExit = await other.exitCode;
    refused = other.output();
    await waitUntilProcessed(endpoints, EVENTS / 40);
    process.kill(await servicePid('aggregator'), 'SIGKILL');
    firstExit = await run.exitCode;
    first = run.output();

    const again = start(['--events', String(EVENTS)]);
    await waitFor('the second run to stay up', () => says(again, 'Running.'), { deadlineMs: RUN_MS });
    await endpointsOf(again);
    again.process.kill('SIGINT');
    secondExit = await again.exitCode;
    second = again.output();
  }, 2 * RUN_MS);

  it('ends with 0 and says EQUAL', () => {
    expect(first).toContain('EQUAL  nothing lost, nothing counted twice');
    expect(firstExit).toBe(0);
  });

  it('starts a killed aggregator again, visibly', () => {
    expect(first).toMatch(/aggregator ended: signal SIGKILL; starting it again in \d\.\d s/);
    expect(first).toMatch(/aggregator runs again \(pid \d+, restart 1\)/);
  });

  it('counts what the generator says, to the last digit', () => {
    const totals = new DayTotals();
    for (const sending of usageDay(planOf(dataDir))) totals.add(sending);
    for (const [metric, counted] of totals.countedByMetric) {
      const [producers, , events, , sum] = figuresOf(first, metric);
      expect(producers).toBe(String(totals.byMetric.get(metric)?.events));
      expect(events).toBe(String(counted.events));
      expect(sum).toBe(formatDecimal(counted.sum));
    }
    for (const [reason, count] of totals.quarantinedByReason) expect(first).toContain(`${reason} ${count}`);
  });

  it('counts nothing twice when it is started again', () => {
    expect(second).toContain('it is sent again, and nothing is counted twice');
    expect(second).toContain('acknowledged: 0 counted');
    expect(second).toContain('EQUAL  nothing lost, nothing counted twice');
    expect(sectionOf(second, 'Usage')).toEqual(sectionOf(first, 'Usage'));
    expect(sectionOf(second, 'Quarantine')).toEqual(sectionOf(first, 'Quarantine'));
  });

  it('stays up with lines that say where to connect, until Ctrl-C', () => {
    expect(second).toContain("curl 'http://127.0.0.1:");
    expect(second).toContain("psql 'postgresql://");
    expect(second).toContain('npx meterhouse --data-dir');
    expect(secondExit).toBe(0);
  });

  it('refuses a data dir that is in use', () => {
    expect(refused).toMatch(/The data dir .* is in use by process \d+: stop that stack first/);
    expect(refused).not.toContain('    at ');
    expect(refusedExit).toBe(1);
  });

  it('leaves nothing running', async () => {
    expect([...seenPids.keys()]).toEqual(expect.arrayContaining(['kafka', 'aggregator', 'quota-snapshot']));
    await waitUntilGone([...seenPids.values()]);
    expect(existsSync(join(dataDir, 'endpoints.json'))).toBe(false);
  });

  it(
    'leaves nothing running when it is killed',
    async () => {
      const run = start(['--empty']);
      await waitFor('it to stay up', () => says(run, 'Running.'), { deadlineMs: RUN_MS });
      const { pids } = await endpointsOf(run);
      expect(Object.keys(pids)).toEqual(expect.arrayContaining(['postgres', 'aggregator', 'quota-snapshot']));
      run.process.kill('SIGKILL');
      await run.exitCode;
      await waitUntilGone(Object.values(pids));
    },
    RUN_MS,
  );
});

function start(args: readonly string[]): Started {
  const child = spawn(process.execPath, [main, '--data-dir', dataDir, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1' },
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => (text += chunk));
  }
  const exitCode = once(child, 'close').then(([code]) => code as number | null);
  const run = { process: child, output: () => text, exitCode };
  started.push(run);
  return run;
}

function says(run: Started, words: string): true | undefined {
  if (run.output().includes(words)) return true;
  if (run.process.exitCode !== null) throw new Error(`it ended without saying ${words}:\n${run.output()}`);
  return undefined;
}

/** Once the services run too; every pid that was ever there is remembered. */
async function endpointsOf(run: Started): Promise<Endpoints> {
  await waitFor('the services to be started', () => says(run, 'api started'), {
    deadlineMs: RUN_MS,
  });
  const endpoints = await readEndpoints(dataDir);
  for (const [name, pid] of Object.entries(endpoints.pids)) seenPids.set(name, pid);
  return endpoints;
}

async function servicePid(name: string): Promise<number> {
  const pid = (await readEndpoints(dataDir)).pids[name];
  if (pid === undefined) throw new Error(`${name} has no pid in endpoints.json`);
  return pid;
}

async function waitUntilProcessed(endpoints: Endpoints, events: number): Promise<void> {
  const client = new Client({ connectionString: endpoints.postgres });
  await client.connect();
  try {
    await waitFor(
      `${events} events to be processed`,
      async () => {
        const { rows } = await client.query<{ processed: string }>(
          'SELECT coalesce(sum(next_offset), 0) AS processed FROM meterhouse.progress',
        );
        return Number(rows[0]?.processed) >= events ? true : undefined;
      },
      { deadlineMs: RUN_MS },
    );
  } finally {
    await client.end();
  }
}

async function waitUntilGone(pids: readonly number[]): Promise<void> {
  await waitFor('all processes to be gone', () => (pids.some((pid) => isThere(pid)) ? undefined : true), {
    deadlineMs: 60_000,
  });
}

/** A zombie waits only for whoever reaps orphans here. */
function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return process.platform !== 'linux' || !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}

function planOf(dir: string): { seed: number; events: number; through: number } {
  const days = JSON.parse(readFileSync(join(dir, 'demo-days.json'), 'utf8')) as Record<string, number>;
  const [through] = Object.values(days);
  if (through === undefined) throw new Error('no day was remembered');
  return { seed: 1, events: EVENTS, through };
}

/** The numbers of a metric's line in the reconciliation, without thousands' commas. */
function figuresOf(output: string, metric: string): string[] {
  const line = sectionOf(output, 'Reconciliation').find((each) => each.startsWith(metric));
  return line?.slice(metric.length).trim().replaceAll(',', '').split(/\s+/) ?? [];
}

/** The lines below a heading. */
function sectionOf(output: string, heading: string): string[] {
  const lines = output.split('\n');
  const at = lines.findIndex((line) => line.startsWith(heading));
  const end = lines.indexOf('', at);
  return lines.slice(at + 1, end).map((line) => line.trim());
}
