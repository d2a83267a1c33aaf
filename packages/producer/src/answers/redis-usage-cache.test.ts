/**
 * Guarantees of the shared cache, on a real Redis:
 *  - What one process asked another finds, with its true age by the server's clock, until the bound.
 *  - Redis that is frozen or gone delays an answer by its patience at most, and the answer says that the
 *    cache was not there; after some failures it is not even waited for; when it is back it is used again.
 *  - What somebody else wrote under our key is not an answer.
 */
import { NO_REDIS_SERVER, startRedisServer } from '@meterhouse/rate-limit/testing';
import { openRedisConnection } from '@meterhouse/rate-limit/redis';
import { pino } from 'pino';
import { afterAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { openRedisCache } from './redis-usage-cache.ts';
import type { UsageCache } from './usage-cache.ts';

const server = await startRedisServer();
if (server === null) process.stdout.write(`the shared cache of usage ${NO_REDIS_SERVER}\n`);

afterAll(() => server?.kill());

const reading = { value: '12.5', unit: 'u', origin: 'api', completeThrough: 7 } as const;
const PREFIX = 'test:';

function open(url: string, { maxAgeMs = 60_000, patienceMs = 500 } = {}): UsageCache {
  const cache = openRedisCache(
    { url, prefix: PREFIX, maxAgeMs, patienceMs },
    { logger: pino({ level: 'silent' }), clock: () => performance.now() },
  );
  onTestFinished(async () => {
    await cache.close();
  });
  return cache;
}

/** Until the connection is there looks fail. */
function connected(cache: UsageCache): Promise<void> {
  return vi.waitFor(
    async () => {
      expect((await cache.look('connected')).state).toBe('miss');
    },
    { timeout: 20_000, interval: 50 },
  );
}

async function keep(cache: UsageCache, key: string): Promise<void> {
  const look = await cache.look(key);
  if (look.state !== 'miss') throw new Error(`expected a miss, got ${look.state}`);
  look.keep(reading);
  await vi.waitFor(async () => {
    expect((await cache.look(key)).state).toBe('hit');
  });
}

describe.skipIf(server === null)('the shared cache', () => {
  const url = server?.url ?? '';

  it('gives what another process asked, with its age, until the bound', async () => {
    const one = open(url);
    const other = open(url);
    const strict = open(url, { maxAgeMs: 1 });
    for (const cache of [one, other, strict]) await connected(cache);
    const before = performance.now();
    await keep(one, 'shared');
    const found = await other.look('shared');
    expect(found).toMatchObject({ state: 'hit', reading });
    if (found.state !== 'hit') return;
    expect(found.ageMs).toBeGreaterThanOrEqual(0);
    expect(found.ageMs).toBeLessThanOrEqual(performance.now() - before + 1);
    await vi.waitFor(async () => {
      expect((await strict.look('shared')).state).toBe('miss');
    });
  });

  it('takes nothing for an answer that is none', async () => {
    const cache = open(url);
    await connected(cache);
    await keep(cache, 'spoilt');
    const connection = openRedisConnection({ url });
    onTestFinished(() => connection.close());
    const write = (text: string) =>
      vi.waitFor(() =>
        connection.eval(`return redis.call('SET', KEYS[1], ARGV[1])`, {
          keys: [`${PREFIX}1:spoilt`],
          arguments: [text],
        }),
      );
    const future = JSON.stringify({ askedAt: Date.now() + 3_600_000, reading });
    for (const text of ['', 'not JSON', '{}', '{"askedAt":1}', future]) {
      await write(text);
      expect((await cache.look('spoilt')).state).toBe('miss');
    }
  });

  it('that is frozen or gone is said to be, soon not waited for, and used again when it is back', async () => {
    const own = await startRedisServer();
    if (own === null) throw new Error('redis-server was there a moment ago');
    onTestFinished(() => own.kill());
    const cache = open(own.url, { patienceMs: 200 });
    await connected(cache);
    await keep(cache, 'k');
    own.freeze();
    for (let look = 0; look < 3; look++) expect(await cache.look('k')).toEqual({ state: 'unavailable' });
    // The circuit is open: it is not asked, so the answer is there in the same turn of the event loop.
    const turn = new Promise((resolve) => setImmediate(resolve, 'later'));
    expect(await Promise.race([cache.look('k'), turn])).toEqual({ state: 'unavailable' });
    own.thaw();
    await vi.waitFor(async () => expect((await cache.look('k')).state).toBe('hit'), { timeout: 20_000 });
    await own.kill();
    expect(await cache.look('k')).toEqual({ state: 'unavailable' });
  });
});
