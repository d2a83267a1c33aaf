/**
 * Supervision:
 * - a service that ends is started again, and both are told with how it ended and the wait
 * - failures in a row are counted through failed starts too, and wiped out by a healthy run
 * - stopping starts nothing any more, also in the middle of a back-off, and stops what runs
 * - a service process that is killed by a signal says so; a frozen one can be stopped
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { waitFor } from '@meterhouse/runtime';
import { startServiceProcess } from './service-process.ts';
import { supervise, type Run, type Supervised, type SupervisionEvent } from './supervisor.ts';
import { supervisionLine } from './supervision-line.ts';

const quick = { backoff: { baseMs: 1, maxMs: 4 }, healthyMs: 60_000, random: () => 0.999 };

describe('supervise', () => {
  it('starts again what ends, and tells both', async () => {
    const told: SupervisionEvent[] = [];
    const fake = fakeService();
    const supervision = await supervise(fake, { ...quick, tell: (event) => told.push(event) });
    fake.end('exit code 7');
    await waitFor('a restart', () => (supervision.restarts === 1 ? true : undefined), { deadlineMs: 5_000 });
    expect(told).toEqual([
      { kind: 'ended', name: 'fake', how: 'exit code 7', inARow: 1, waitMs: 0 },
      { kind: 'started_again', name: 'fake', pid: 2, restarts: 1 },
    ]);
    await supervision.stop();
  });

  it('counts failures in a row, and waits longer up to a bound', async () => {
    const told: SupervisionEvent[] = [];
    const fake = fakeService();
    fake.failStarts = 5;
    const supervision = await supervise(
      {
        ...fake,
        running: { pid: 1, ended: Promise.resolve('signal SIGKILL'), stop: () => Promise.resolve() },
      },
      { ...quick, tell: (event) => told.push(event) },
    );
    await waitFor('a restart', () => (supervision.restarts === 1 ? true : undefined), { deadlineMs: 5_000 });
    const ends = told.filter((event) => event.kind === 'ended');
    expect(ends.map((event) => event.inARow)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(ends.map((event) => event.waitMs)).toEqual([0, 1, 3, 3, 3, 3]);
    expect(ends.at(1)?.how).toBe('it does not start');
    await supervision.stop();
  });

  it('forgets failures after a healthy run', async () => {
    const told: SupervisionEvent[] = [];
    const fake = fakeService();
    const supervision = await supervise(fake, { ...quick, healthyMs: 0, tell: (event) => told.push(event) });
    for (const restarts of [1, 2, 3]) {
      fake.end('exit code 1');
      await waitFor('a restart', () => (supervision.restarts === restarts ? true : undefined), {
        deadlineMs: 5_000,
      });
    }
    expect(told.flatMap((event) => (event.kind === 'ended' ? [event.inARow] : []))).toEqual([1, 1, 1]);
    await supervision.stop();
  });

  it('starts nothing once it is stopped', async () => {
    const told: SupervisionEvent[] = [];
    const fake = fakeService();
    const supervision = await supervise(fake, {
      ...quick,
      backoff: { baseMs: 3_600_000, maxMs: 3_600_000 },
      tell: (event) => told.push(event),
    });
    fake.end('exit code 1');
    await waitFor('the end to be told', () => told[0], { deadlineMs: 5_000 });
    await supervision.stop();
    expect(told).toHaveLength(1);
    expect(fake.starts).toBe(1);
  });
});

describe('a service process', () => {
  it('says by which signal or code it ended', async () => {
    const killed = await startServiceProcess(command('setInterval(() => {}, 1000)'));
    process.kill(killed.pid, 'SIGKILL');
    expect(await killed.ended).toBe('signal SIGKILL');
    const ended = await startServiceProcess(command('process.exitCode = 3'));
    expect(await ended.ended).toBe('exit code 3');
    await ended.stop();
  });

  it('can be stopped while it is frozen', async () => {
    const run = await startServiceProcess(command('setInterval(() => {}, 1000)'));
    process.kill(run.pid, 'SIGSTOP');
    await run.stop();
    expect(await run.ended).toBe('signal SIGTERM');
  });
});

describe('what a person reads', () => {
  it('has the name, how it ended, the wait, and where to look when it goes on', () => {
    const event = {
      kind: 'ended',
      name: 'aggregator',
      how: 'signal SIGKILL',
      inARow: 1,
      waitMs: 740,
    } as const;
    expect(supervisionLine(event, 'x.log').text).toBe(
      'aggregator ended: signal SIGKILL; starting it again in 0.7 s',
    );
    expect(supervisionLine({ ...event, inARow: 9 }, 'x.log').text).toContain(
      '9 times in a row now, see x.log',
    );
    const back = { kind: 'started_again', name: 'aggregator', pid: 42, restarts: 2 } as const;
    expect(supervisionLine(back, 'x.log').text).toBe('aggregator runs again (pid 42, restart 2)');
  });
});

interface FakeService extends Supervised {
  failStarts: number;
  starts: number;
  end: (how: string) => void;
}

function fakeService(): FakeService {
  let resolve: (how: string) => void = () => undefined;
  const fake: FakeService = {
    name: 'fake',
    failStarts: 0,
    starts: 0,
    end: (how) => {
      resolve(how);
    },
    start: (): Promise<Run> => {
      if (fake.failStarts > 0) {
        fake.failStarts -= 1;
        return Promise.reject(new Error('it does not start'));
      }
      fake.starts += 1;
      const ended = Promise.withResolvers<string>();
      ({ resolve } = ended);
      const stop = (): Promise<void> => {
        ended.resolve('signal SIGTERM');
        return Promise.resolve();
      };
      return Promise.resolve({ pid: fake.starts, ended: ended.promise, stop });
    },
  };
  return fake;
}

function command(script: string): Parameters<typeof startServiceProcess>[0] {
  const dir = mkdtempSync(join(tmpdir(), 'meterhouse-service-'));
  writeFileSync(join(dir, 'main.mjs'), script);
  return { script: join(dir, 'main.mjs'), env: {}, logPath: join(dir, 'service.log') };
}
