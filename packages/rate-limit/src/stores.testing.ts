/** Both stores with a clock that the test sets. */
import { createClient } from '@redis/client';
import { randomUUID } from 'node:crypto';
import type { Clock } from './clock.ts';
import { MemoryStore } from './memory/memory-store.ts';
import { RedisStore } from './redis/redis-store.ts';
import { script, SCRIPTS, type Script } from './redis/scripts.ts';
import type { RateStore, WhenUnbased } from './store.ts';

export interface ClockedStore {
  readonly store: RateStore;
  /** Before every key of the test. */
  readonly prefix: string;
  /** Epoch ms. */
  setNow(nowMs: number): Promise<void>;
  /** Loses all counters, as a server does that is started anew. */
  forget(): Promise<void>;
  close(): Promise<void>;
}

export interface ClockedStoreOptions {
  readonly whenUnbased?: WhenUnbased;
  /** The clock of the process, where it is not the store's. */
  readonly wallMs?: () => number;
}

export function clockedMemoryStore(options: ClockedStoreOptions = {}): Promise<ClockedStore> {
  let nowMs = 0;
  const clock: Clock = { wallMs: () => nowMs, monotonicMs: () => nowMs };
  const { whenUnbased = 'deny' } = options;
  let store = new MemoryStore({ clock, whenUnbased });
  return Promise.resolve({
    get store() {
      return store;
    },
    prefix: `test:${randomUUID()}:`,
    setNow: (to) => {
      nowMs = to;
      return Promise.resolve();
    },
    forget: () => {
      store = new MemoryStore({ clock, whenUnbased });
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  });
}

/**
 * The scripts take their time from the server, and there is no way round that in them; so the tests run
 * the same text with that one line reading a list which the test writes.
 */
export async function clockedRedisStore(
  url: string,
  options: ClockedStoreOptions = {},
): Promise<ClockedStore> {
  const client = createClient({ url });
  // Without a listener it would end the process; the commands fail and say so.
  client.on('error', () => undefined);
  await client.connect();
  const prefix = `test:${randomUUID()}:`;
  const clockKey = `${prefix}clock`;
  let nowMs = 0;
  const forget = async (pattern: string): Promise<void> => {
    for await (const keys of client.scanIterator({ MATCH: pattern, COUNT: 1000 }))
      if (keys.length > 0) await client.del(keys);
  };
  return {
    store: new RedisStore({
      connection: client,
      whenUnbased: options.whenUnbased ?? 'deny',
      wallMs: options.wallMs ?? (() => nowMs),
      scripts: {
        charge: withClock(SCRIPTS.charge, clockKey),
        rebase: withClock(SCRIPTS.rebase, clockKey),
        refund: withClock(SCRIPTS.refund, clockKey),
        renew: withClock(SCRIPTS.renew, clockKey),
        release: SCRIPTS.release,
      },
    }),
    prefix,
    setNow: async (to) => {
      nowMs = to;
      const seconds = Math.floor(to / 1000);
      await client
        .multi()
        .del(clockKey)
        .rPush(clockKey, [String(seconds), String((to - seconds * 1000) * 1000)])
        .exec();
    },
    forget: () => forget(`${prefix}q:*`),
    close: async () => {
      await forget(`${prefix}*`);
      await client.close();
    },
  };
}

function withClock({ text }: Script, clockKey: string): Script {
  const pieces = text.split("redis.call('TIME')");
  if (pieces.length !== 2) throw new Error('a script must read the time exactly once');
  return script(pieces.join(`redis.call('LRANGE', '${clockKey}', 0, 1)`));
}
