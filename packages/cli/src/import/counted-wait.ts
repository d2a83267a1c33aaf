/** Waiting until everything that a topic held at an instant is counted or quarantined. */
import type { Admin } from 'kafkajs';
import { eventsBehind, readCountingProgress, type LogEnds, type Pool } from '@meterhouse/postgres';
import { DeadlineError, waitFor } from '@meterhouse/runtime';
import { CommandError } from '../exit.ts';
import { counted } from '../output/numbers.ts';

/** @throws CommandError when there is no such topic; asking for its offsets could make it */
export async function requireTopic(admin: Admin, topic: string): Promise<void> {
  if (!(await admin.listTopics()).includes(topic))
    throw new CommandError(`Kafka has no topic ${topic}`, 'the aggregator makes it when it starts');
}

/** @throws CommandError when a partition is halted, nothing is counting, or the deadline passes */
export async function waitUntilCounted(options: {
  readonly pool: Pool;
  readonly topic: string;
  readonly ends: LogEnds;
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
  readonly onBehind: (events: bigint) => void;
}): Promise<void> {
  const { pool, topic, ends, signal } = options;
  let behind = 0n;
  try {
    await waitFor(
      'everything to be counted',
      async () => {
        if (signal.aborted)
          throw new CommandError('interrupted while waiting', 'everything was sent; see "meterhouse lag"');
        const progress = (await readCountingProgress(pool)).filter((one) => one.source === topic);
        const halted = progress.find(
          (one) => one.haltedReason !== null && one.nextOffset < (ends.get(one.partition) ?? 0n),
        );
        if (halted !== undefined)
          throw new CommandError(
            `partition ${halted.partition} is halted: ${halted.haltedReason ?? ''}`,
            'see docs/runbooks/partition-halted.md',
          );
        behind = eventsBehind(ends, progress);
        options.onBehind(behind);
        return behind === 0n ? true : undefined;
      },
      { deadlineMs: options.deadlineMs, everyMs: 200 },
    );
  } catch (error) {
    if (!(error instanceof DeadlineError)) throw error;
    throw new CommandError(
      `everything was sent, but ${counted(behind, 'event')} are not counted after ${Math.round(options.deadlineMs / 1000)} s`,
      'is the aggregator running? "meterhouse lag" shows how far it is',
      error,
    );
  }
}
