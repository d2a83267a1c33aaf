/** Asking for something of many rows: some at a time, so that no lock is held for long. */
import { isRetryable } from '@meterhouse/postgres';
import { CommandError } from '../exit.ts';

const PAGE = 5_000;
const ATTEMPTS = 5;

/**
 * @param ask acts on rows above the id and gives their ids
 * @returns every id that was acted on
 */
export async function throughPages(
  ask: (bound: { afterId: bigint; limit: number }) => Promise<readonly bigint[]>,
  signal: AbortSignal,
): Promise<readonly bigint[]> {
  const done: bigint[] = [];
  for (;;) {
    if (signal.aborted)
      throw new CommandError(`interrupted after ${done.length} events`, 'run it again for the others');
    const ids = await retrying(() => ask({ afterId: done.at(-1) ?? 0n, limit: PAGE }));
    for (const id of ids) done.push(id);
    if (ids.length < PAGE) return done;
  }
}

/** The aggregator writes to the same rows: a deadlock between the two is nobody's fault. */
async function retrying<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt === ATTEMPTS || !isRetryable(error)) throw error;
    }
  }
}
