/** A store on a connection of our own, for those who have only a URL. */
import type { WhenUnbased } from '../store.ts';
import { openRedisConnection, type RedisConnectionOptions } from './connection.ts';
import { RedisStore } from './redis-store.ts';

export interface RedisUrlOptions extends RedisConnectionOptions {
  readonly whenUnbased?: WhenUnbased;
}

/**
 * Returns at once: until the connection is there the store fails, and the limiter does what each rule
 * says for that case. Closing the limiter closes the connection.
 */
export function openRedisStore(options: RedisUrlOptions): RedisStore {
  const connection = openRedisConnection(options);
  return new RedisStore({
    connection,
    ...(options.whenUnbased === undefined ? {} : { whenUnbased: options.whenUnbased }),
    release: () => connection.close(),
  });
}
