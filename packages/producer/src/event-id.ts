/** Ids for events that come without one: UUIDv7, so that they arrive in the order of their index. */
import { randomFillSync } from 'node:crypto';
import { v7 } from 'uuid';

const RANDOM_BYTES = 16;
const POOLED_IDS = 256;

/** Draws randomness for many ids at once: one call to the system for each would cost more than all else. */
export function createIdSource(): (nowMs: number) => string {
  const pool = new Uint8Array(RANDOM_BYTES * POOLED_IDS);
  let used = pool.length;
  return (nowMs) => {
    if (used === pool.length) {
      randomFillSync(pool);
      used = 0;
    }
    const random = pool.subarray(used, used + RANDOM_BYTES);
    used += RANDOM_BYTES;
    return v7({ msecs: nowMs, random });
  };
}
