/** One chunk on its way: kept batch by batch, and the offset told after each. */
import type { FetchedChunk, TopicConsumer } from '@meterhouse/kafka';
import { isAborted, pause, type Logger } from '@meterhouse/runtime';
import { batchesOf, type BatchBounds } from './batches.ts';
import { StoppedError, type Keeper } from './keeper.ts';

export interface Delivery {
  readonly keeper: Pick<Keeper, 'keep'>;
  readonly bounds: BatchBounds;
  readonly commit: (offsets: Parameters<TopicConsumer['commit']>[0]) => Promise<void>;
  readonly stopping: AbortSignal;
  readonly logger: Logger;
  /** Ends the service. */
  readonly fail: (error: unknown) => void;
}

const HEARTBEAT_EVERY_MS = 500;

/**
 * @throws what ends the service; what `heartbeat` throws, which is how kafkajs hears that the group has
 *   moved on
 */
export async function deliver(
  chunk: FetchedChunk,
  heartbeat: () => Promise<void>,
  delivery: Delivery,
): Promise<void> {
  const { keeper, bounds, commit, stopping, logger, fail } = delivery;
  const { partition } = chunk;
  for (const batch of batchesOf(chunk, bounds)) {
    // Returning is enough: nothing is told to Kafka any more, so the next member reads it again.
    if (isAborted(stopping)) return;
    const left = new AbortController();
    const keeping = keeper.keep(batch, AbortSignal.any([stopping, left.signal]));
    const outcome = await beating(outcomeOf(keeping), heartbeat, left);
    if (outcome === 'stopped') return;
    if (outcome !== 'kept') {
      fail(outcome.error);
      throw outcome.error;
    }
    await commit([{ partition, offset: batch.nextOffset }]).catch((error: unknown) => {
      // Another member has the partition by now, or Kafka is away: what is kept is delivered once more.
      logger.warn({ err: error, partition }, 'Kafka did not take the offset');
    });
  }
}

type Outcome = 'kept' | 'stopped' | { readonly error: unknown };

function outcomeOf(keeping: Promise<void>): Promise<Outcome> {
  return keeping.then(
    () => 'kept' as const,
    (error: unknown) => (error instanceof StoppedError ? 'stopped' : { error }),
  );
}

/** Waits for the work while telling the group that we live. */
async function beating(
  working: Promise<Outcome>,
  heartbeat: () => Promise<void>,
  left: AbortController,
): Promise<Outcome> {
  for (;;) {
    const over = new AbortController();
    const beat = pause(HEARTBEAT_EVERY_MS, over.signal).then(() => 'beat' as const);
    const first = await Promise.race([working, beat]);
    over.abort();
    if (first !== 'beat') return first;
    try {
      await heartbeat();
    } catch (error) {
      left.abort();
      const outcome = await working;
      if (typeof outcome === 'object') return outcome;
      // What is kept stays kept; the partition's next owner finds it there.
      throw error;
    }
  }
}
