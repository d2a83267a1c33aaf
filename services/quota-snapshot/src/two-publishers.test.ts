/**
 * Guarantee: two instances never publish an older state over a newer one. Three guards, each tested
 * where the others cannot help:
 * - the broker fences whoever opened before (both instances believe that they lead);
 * - whoever opens proves afterwards that it still leads, or publishes nothing;
 * - readers ignore a lower (epoch, sequence), also one that was written without any guard.
 * And all together: a leader frozen past its lease, and woken again, as processes.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { bareEnvironment } from '@meterhouse/dev-stack';
import type { UsageSnapshot } from '@meterhouse/kafka';
import { keyOf } from '@meterhouse/quota';
import { expect, onTestFinished, test } from 'vitest';
import { LeadershipLostError, type Leadership } from './leadership.ts';
import { snapshotBed, untilUsed, type SnapshotBed } from './testing/snapshot-bed.ts';
import { until } from './testing/until.ts';
import { FencedError } from './transactional-publication.ts';

/** Leads whoever else does: a lock that guards nothing. */
async function believe(bed: SnapshotBed): Promise<Leadership> {
  const drawn = await bed.changeLog.pool.query<{ epoch: string }>(
    `SELECT nextval('meterhouse.snapshot_epoch') AS epoch`,
  );
  return {
    epoch: Number(drawn.rows[0]?.epoch),
    prove: () => Promise.resolve(),
    lost: new AbortController().signal,
    release: () => Promise.resolve(),
  };
}

function expectRising(log: readonly UsageSnapshot[]): void {
  const order = log.map(({ epoch, sequence }) => epoch * 1e9 + sequence);
  expect(order).toEqual(order.toSorted((a, b) => a - b));
  expect(new Set(order).size).toBe(order.length);
}

/** What compaction would leave of the log. */
function lastUsed(log: readonly UsageSnapshot[], key: string): string | undefined {
  const last = log.findLast(
    (message) => message.kind === 'usage' && key === keyOf(message.tenantId, message.metric, message.period),
  );
  return last?.kind === 'usage' ? last.used : undefined;
}

test('I6: the broker fences the publisher that opened first, though both believe that they lead', async () => {
  const bed = await snapshotBed();
  const first = bed.publisher({ lead: () => believe(bed) });
  const reader = bed.reader();
  await bed.count('team');
  await untilUsed(reader, 'acme', '1');
  const second = bed.publisher({ lead: () => believe(bed) });
  // Its next heartbeat or change meets the fence; it ends and does not open again.
  await expect(first.failed).rejects.toThrow(FencedError);
  expect(first.status().role).toBe('stopped');
  await bed.count('team');
  await untilUsed(reader, 'acme', '2');
  expect(second.status().role).toBe('leader');
  const log = await bed.log();
  expectRising(log);
  expect(lastUsed(log, keyOf('acme', 'm.sum', 'hour'))).toBe('2');
});

test('I6: whoever loses the lead while it opens publishes nothing, though the broker would let it', async () => {
  const bed = await snapshotBed();
  const leader = bed.publisher({ lead: () => believe(bed) });
  const reader = bed.reader();
  await bed.count('team');
  await untilUsed(reader, 'acme', '1');
  const leading = leader.status();
  // Opens last, so the broker fences the true leader instead; but the lock is another's by then.
  const lost = new LeadershipLostError(new Error('another took it'));
  let asked = 0;
  const late = bed.publisher({
    lead: async () => {
      asked += 1;
      return asked > 1 ? null : { ...(await believe(bed)), prove: () => Promise.reject(lost) };
    },
  });
  await expect(leader.failed).rejects.toThrow(FencedError);
  await until('the late one to stop', () => late.status().role === 'stopped');
  expect(asked).toBe(2);
  const epochs = new Set((await bed.log()).map(({ epoch }) => epoch));
  expect([...epochs]).toEqual([leading.role === 'leader' ? leading.epoch : null]);
  // A supervisor starts the leader again; it fences in its turn, and all is well.
  bed.publisher({ lead: () => believe(bed) });
  await bed.count('team');
  await untilUsed(reader, 'acme', '2');
  expectRising(await bed.log());
});

test('I6: an older message that gets into the topic all the same is ignored by readers, old and fresh', async () => {
  const bed = await snapshotBed();
  bed.publisher();
  const reader = bed.reader();
  await bed.count('team');
  await untilUsed(reader, 'acme', '1');
  const published = (await bed.log()).find(
    (message) => message.kind === 'usage' && message.tenantId === 'acme',
  );
  if (published?.kind !== 'usage') throw new Error('nothing was published for acme');
  const producer = bed.kafka.producer({ allowAutoTopicCreation: false });
  await producer.connect();
  onTestFinished(() => producer.disconnect());
  const late = { ...published, epoch: published.epoch - 1, sequence: 1_000_000, used: '0' };
  await producer.send({
    topic: bed.snapshotsTopic,
    messages: [{ key: keyOf('acme', 'm.sum', published.period), value: bed.encode(late), partition: 0 }],
  });
  const fresh = bed.reader();
  await fresh.ready();
  // In the order of the log, so whoever has this has read the late message too.
  await bed.register([{ id: 'other', parent: null }]);
  await bed.count('other');
  for (const each of [reader, fresh]) {
    await untilUsed(each, 'other', '1');
    expect(each.get('acme', 'm.sum', published.period)).toMatchObject({ state: 'known', used: '1' });
  }
});

interface Process {
  readonly child: ChildProcess;
  readonly lines: Record<string, unknown>[];
  said(text: string): boolean;
}

function startProcess(bed: SnapshotBed): Process {
  const child = spawn(process.execPath, [fileURLToPath(new URL('main.ts', import.meta.url))], {
    env: { ...bareEnvironment(), ...bed.environment, SNAPSHOT_LEASE_MS: '2000' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  const lines: Record<string, unknown>[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(JSON.parse(line) as Record<string, unknown>);
  });
  return { child, lines, said: (text) => lines.some((line) => line['msg'] === text) };
}

test('I6: a leader frozen past its lease publishes nothing when it wakes; readers never go back', async () => {
  // Processes have the machine's clock: days do not pass for others than the test.
  const bed = await snapshotBed({ now: Date.now() });
  const month = { period: 'month' } as const;
  const reader = bed.reader();
  const first = startProcess(bed);
  await until('the first to lead', () => first.said('publishing snapshots'));
  const second = startProcess(bed);
  await until('the second to stand by', () =>
    second.said('another instance publishes snapshots; standing by'),
  );
  await bed.count('team');
  await untilUsed(reader, 'acme', '1', month);

  first.child.kill('SIGSTOP');
  await until('the second to lead', () => second.said('publishing snapshots'));
  await bed.count('team');
  await untilUsed(reader, 'acme', '2', month);

  const seen = new Set<string>();
  const watching = setInterval(() => {
    const reading = reader.get('acme', 'm.sum', 'month');
    seen.add(reading.state === 'known' ? reading.used : reading.state);
  }, 1);
  first.child.kill('SIGCONT');
  // Which of its guards it meets first is up to chance: the lost session, or the fence.
  const steppedDown = 'gave up publishing; standing by';
  await until('the first to notice', () => first.said(steppedDown) || first.child.exitCode !== null);
  if (first.child.exitCode !== null) expect(first.child.exitCode).toBe(1);
  await bed.count('team');
  await untilUsed(reader, 'acme', '3', month);
  clearInterval(watching);
  expect([...seen].filter((used) => used !== '2' && used !== '3')).toEqual([]);

  const log = await bed.log();
  expectRising(log);
  expect(lastUsed(log, keyOf('acme', 'm.sum', 'month'))).toBe('3');
  const fresh = bed.reader();
  await fresh.ready();
  expect(fresh.get('acme', 'm.sum', 'month')).toMatchObject({ state: 'known', used: '3' });

  second.child.kill('SIGTERM');
  await until('a clean end', () => second.child.exitCode !== null);
  expect(second.child.exitCode).toBe(0);
}, 120_000);
