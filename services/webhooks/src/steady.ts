/** Work that goes on while Postgres comes and goes. */
import { errorCode, isRetryable } from '@meterhouse/postgres';
import { backoffMs, isAborted, pause, type Logger } from '@meterhouse/runtime';
import type { Rounds } from './progress.ts';

interface SteadyOptions {
  readonly what: string;
  readonly signal: AbortSignal;
  readonly retry: { readonly baseMs: number; readonly maxMs: number };
  readonly random: () => number;
  readonly logger: Logger;
  /** Told of the rounds. */
  readonly rounds: Rounds;
}

/**
 * Runs a round again and again until the signal. What passes by itself is waited for and said once;
 * everything else is thrown.
 * @param round says how long to pause before the next
 */
export async function steadily(options: SteadyOptions, round: () => Promise<number>): Promise<void> {
  const { what, signal, retry, random, logger, rounds } = options;
  let failures = 0;
  while (!isAborted(signal)) {
    let pauseMs: number;
    try {
      rounds.begin();
      pauseMs = await round();
      rounds.end();
      if (failures > 0) logger.info(`${what}: Postgres is back`);
      failures = 0;
    } catch (error) {
      if (!isRetryable(error)) throw error;
      if (failures === 0) logger.warn({ code: errorCode(error), err: error }, `${what} waits for Postgres`);
      pauseMs = backoffMs(failures, retry, random);
      failures += 1;
    }
    if (pauseMs > 0) await pause(pauseMs, signal);
  }
}
