import type { Assignment } from './assignment.ts';
import type { LogEnds } from './log-ends.ts';

interface StallWatchOptions {
  readonly timeoutMs: number;
  readonly ends: Pick<LogEnds, 'latestEnd'>;
  readonly assignment: {
    readonly lanes: ReadonlyMap<number, { readonly expected: bigint }>;
  } & Pick<Assignment, 'hasRoom'>;
  readonly fail: (error: unknown) => void;
}

/**
 * kafkajs can stop fetching without an error after a broker was away. Liveness is progress: when the
 * broker holds records that we have not been given for too long, the process ends, and its
 * supervisor starts one that fetches.
 *
 * Time in which nothing more would be taken does not count: then it is Postgres that is waited for, and that
 * has a bound of its own.
 */
export function startStallWatch(options: StallWatchOptions): {
  fetched: (partition: number) => void;
  stop: () => void;
} {
  const waitingSince = new Map<number, number>();
  const look = (): void => {
    if (!options.assignment.hasRoom()) {
      waitingSince.clear();
      return;
    }
    for (const [partition, lane] of options.assignment.lanes) {
      const end = options.ends.latestEnd(partition);
      if (end === null || lane.expected >= end) {
        waitingSince.delete(partition);
        continue;
      }
      const since = waitingSince.get(partition) ?? performance.now();
      waitingSince.set(partition, since);
      if (performance.now() - since > options.timeoutMs)
        options.fail(
          new Error(
            `nothing was fetched of partition ${partition} for ${options.timeoutMs} ms, though the broker has records up to ${end}`,
          ),
        );
    }
  };
  const timer = setInterval(look, Math.min(1_000, options.timeoutMs / 4));
  timer.unref();
  return {
    fetched: (partition) => {
      waitingSince.delete(partition);
    },
    stop: () => {
      clearInterval(timer);
    },
  };
}
