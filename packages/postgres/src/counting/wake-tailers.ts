import type { Pool } from 'pg';
import type { Logger } from '@meterhouse/runtime';

/** Wakes the tailers after a commit. One at a time: whoever is late finds all of them awake. */
export function createWakeUp(pool: Pool, logger: Pick<Logger, 'debug'>): () => void {
  let waking = false;
  return () => {
    if (waking) return;
    waking = true;
    pool
      .query('NOTIFY meterhouse_change_log')
      // The tailers also look by themselves; a lost wake-up costs them a second.
      .catch((error: unknown) => {
        logger.debug({ err: error }, 'the tailers could not be woken');
      })
      .finally(() => {
        waking = false;
      });
  };
}
