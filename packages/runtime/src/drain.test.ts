/**
 * Guarantees of a stop:
 * - Everything that was opened is closed, the last first, also after one has failed.
 * - Each is told what is left of the one deadline when its turn comes, however many came before.
 * - What has not ended can be named, down to the part that holds it up; what has ended is not.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Drain } from './drain.ts';
import { Releases } from './releases.ts';

test('each release is told what is left, the last first, also after one has failed', async () => {
  const releases = new Releases();
  const left: [string, number][] = [];
  const take = (name: string, ms: number) =>
    releases.add(name, async ({ leftMs }) => {
      left.push([name, leftMs]);
      await delay(ms);
    });
  take('third', 0);
  releases.add('broken', () => Promise.reject(new Error('it is')));
  take('second', 150);
  take('first', 150);
  await expect(releases.releaseAll(Drain.within(1_000))).rejects.toThrow('closing broken failed');
  expect(left.map(([name]) => name)).toEqual(['first', 'second', 'third']);
  const [first = 0, second = 0, third = 0] = left.map(([, ms]) => ms);
  expect(first).toBeLessThanOrEqual(1_000);
  expect(second).toBeLessThanOrEqual(first - 149);
  expect(third).toBeLessThanOrEqual(second - 149);
  expect(third).toBeGreaterThanOrEqual(0);
});

test('a deadline that has passed leaves nothing, and none leaves what a timer can wait', () => {
  expect(Drain.within(0).leftMs).toBe(0);
  expect(Drain.within().leftMs).toBeGreaterThan(2 ** 30);
  expect(Drain.within(Infinity).leftMs).toBe(2 ** 31 - 1);
});

test('what holds a stop up is named, down to the part of it', async () => {
  const inner = new Releases();
  const hanging = Promise.withResolvers<undefined>();
  inner.add('flushes', async () => {
    await hanging.promise;
  });
  inner.add('consumer', () => undefined);
  const outer = new Releases();
  outer.add('Postgres', () => undefined);
  outer.add('counting', (drain) => inner.releaseAll(drain));
  const drain = Drain.within(60_000);
  const stopped = outer.releaseAll(drain);
  await delay(0);
  expect(drain.waitingFor()).toEqual(['counting › flushes']);
  hanging.resolve(undefined);
  await stopped;
  expect(drain.waitingFor()).toEqual([]);
});
