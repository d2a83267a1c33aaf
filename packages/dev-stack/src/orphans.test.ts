/**
 * Nothing of a stack outlives its owner:
 *
 * - SIGKILL of the owner ends all four servers, Postgres' backends included, also when they are frozen
 * - the data dir is free again at once, and a start on it waits for what is still ending
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readEndpoints, startStack, type PartName } from './index.ts';
import { descendantsOf, processExists } from './process/process-tree.ts';
import { waitUntil } from './wait-until.ts';

const testTimeoutMs = 180_000;
const ownerScript = fileURLToPath(new URL('stack-owner.testing.ts', import.meta.url));

let dataDir: string;
let owner: ChildProcess;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'meterhouse-orphans-test-'));
});

afterEach(async () => {
  owner.kill('SIGKILL');
  await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
});

async function startOwner(parts: readonly PartName[]): Promise<void> {
  owner = spawn(process.execPath, [ownerScript, dataDir, ...parts], { stdio: 'inherit' });
  await waitUntil(() => readEndpoints(dataDir), {
    what: 'endpoints.json of the owner',
    timeoutMs: 120_000,
    giveUp: () => (owner.exitCode === null ? undefined : new Error(`the owner ended with ${owner.exitCode}`)),
  });
}

async function killOwner(): Promise<void> {
  const gone = once(owner, 'exit');
  owner.kill('SIGKILL');
  await gone;
}

async function expectAllGone(pids: readonly number[]): Promise<void> {
  await waitUntil(() => expect(pids.filter(processExists)).toEqual([]), {
    what: 'end of all servers',
    timeoutMs: 10_000,
  });
}

test(
  'SIGKILL of the owner leaves no process',
  async () => {
    await startOwner(['kafka', 'schemaRegistry', 'postgres', 'clickhouse']);
    const { pids } = await readEndpoints(dataDir);
    expect(Object.keys(pids).sort()).toEqual(['clickhouse', 'kafka', 'postgres', 'schemaRegistry']);
    const servers = Object.values(pids);
    const all = [...servers, ...servers.flatMap(descendantsOf)];
    expect(all.length, 'Postgres has processes of its own').toBeGreaterThan(servers.length + 3);
    expect(all.every(processExists)).toBe(true);
    await killOwner();
    await expectAllGone(all);
  },
  testTimeoutMs,
);

test(
  'also when they are frozen; and the data dir can be taken at once',
  async () => {
    await startOwner(['postgres', 'clickhouse']);
    const { pids, postgres } = await readEndpoints(dataDir);
    const backend = new Client({ connectionString: postgres });
    backend.on('error', () => undefined);
    await backend.connect();
    const all = Object.values(pids).flatMap((pid) => [pid, ...descendantsOf(pid)]);
    for (const pid of all) process.kill(pid, 'SIGSTOP');
    await killOwner();
    await using next = await startStack({ dataDir, parts: ['postgres', 'clickhouse'] });
    expect(all.filter(processExists)).toEqual([]);
    expect(next.part('postgres').running()).toBe(true);
  },
  testTimeoutMs,
);
