import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '@meterhouse/runtime';
import { errorCode, isRetryable } from '../errors.ts';

/**
 * Does a job over and over until stopped. The job says whether there is more to do right away.
 * While Postgres is away it waits; any other error is `fail`'s.
 */
export function periodically(options: {
  readonly name: string;
  readonly everyMs: number;
  readonly job: (stopped: () => boolean) => Promise<{ more: boolean }>;
  readonly logger: Logger;
  readonly fail: (error: unknown) => void;
}): { stop: () => Promise<void> } {
  const { name, everyMs, logger } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const loop = async (): Promise<void> => {
    let quiet = true;
    while (!signal.aborted) {
      let more = false;
      try {
        ({ more } = await options.job(() => signal.aborted));
        quiet = true;
      } catch (error) {
        if (!isRetryable(error)) throw error;
        if (quiet) logger.warn({ code: errorCode(error) }, `${name} waits for Postgres`);
        quiet = false;
      }
      if (!more) await delay(everyMs, undefined, { signal }).catch(() => undefined);
    }
  };
  const done = loop().catch(options.fail);
  return {
    stop: async () => {
      stopping.abort();
      await done;
    },
  };
}
