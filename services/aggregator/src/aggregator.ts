/**
 * Kafka usage_events → hour buckets in Postgres. Composes the consumer, one lane a partition, the
 * watermark, the replay of quarantined events, and housekeeping.
 */
import {
  consumeTopic,
  createEventDecoder,
  fetchLogRange,
  type FetchBounds,
  type SchemaRegistry,
  type TopicConsumer,
} from '@meterhouse/kafka';
import type { Pool } from '@meterhouse/postgres';
import type { Failpoint, RecordOrigin } from '@meterhouse/postgres/flush';
import { Releases, type Logger, type RunningService } from '@meterhouse/runtime';
import type { Window } from '@meterhouse/usage';
import type { Kafka } from 'kafkajs';
import { Assignment } from './assignment.ts';
import { Budget } from './budget.ts';
import type { CountingDeps } from './counting.ts';
import { DedupPeriods } from './dedup-periods.ts';
import { firstRememberedPeriod, keepHouse } from './housekeeping.ts';
import type { FlushBounds } from './lane.ts';
import { LogEnds } from './log-ends.ts';
import { periodically } from './periodically.ts';
import { decodeRecords, type DecodedRecord } from './prepare.ts';
import { replayOnce } from './quarantine-replay.ts';
import { RegistryCache } from './registry-cache.ts';
import { startStallWatch } from './stall-watch.ts';
import { followLogEnds } from './watermark.ts';

export interface AggregatorBounds {
  readonly flush: FlushBounds;
  readonly fetch: FetchBounds;
  /** Fetched and not yet counted, in this process. */
  readonly maxBufferedBytes: number;
  readonly maxChangeLogRows: number;
}

export interface AggregatorTimes {
  readonly sessionTimeoutMs: number;
  readonly watermarkEveryMs: number;
  readonly housekeepingEveryMs: number;
  readonly replayEveryMs: number;
  /** How long the schema registry may take before events of a new schema are quarantined. */
  readonly schemaTimeoutMs: number;
  readonly postgresTimeoutMs: number;
  /** How long records may lie in the broker without one being fetched before the process ends. */
  readonly stallTimeoutMs: number;
}

export interface AggregatorOptions {
  readonly pool: Pool;
  readonly kafka: Kafka;
  readonly schemas: SchemaRegistry;
  readonly topic: string;
  readonly groupId: string;
  readonly window: Window;
  readonly bounds: AggregatorBounds;
  readonly times: AggregatorTimes;
  readonly logger: Logger;
  readonly now: () => Date;
  readonly random: () => number;
  readonly failpoint?: Failpoint;
}

/** Starts counting. Tables and topics must be there. */
export async function startAggregator(options: AggregatorOptions): Promise<RunningService> {
  const { pool, topic, logger, times, bounds } = options;
  const releases = new Releases();
  const { promise: failed, reject: fail } = Promise.withResolvers<never>();
  // Whoever runs the service awaits it; until then a failure must not count as unhandled.
  failed.catch(() => undefined);

  const admin = options.kafka.admin();
  await admin.connect();
  releases.add('Kafka admin', () => admin.disconnect());

  const decoder = createEventDecoder(options.schemas);
  const decode = (records: readonly RecordOrigin[]): Promise<DecodedRecord[]> =>
    decodeRecords(records, decoder, times.schemaTimeoutMs);
  const counting: CountingDeps = {
    pool,
    registry: new RegistryCache(pool),
    periods: new DedupPeriods(pool),
    window: options.window,
    failpoint: options.failpoint ?? (() => Promise.resolve()),
    random: options.random,
    logger,
    postgresTimeoutMs: times.postgresTimeoutMs,
  };
  const ends = new LogEnds();
  const wake = createWakeUp(pool, logger);
  let consumer: TopicConsumer | null = null;
  const theConsumer = (): TopicConsumer => {
    if (consumer === null) throw new Error('the consumer has not been started');
    return consumer;
  };
  const assignment: Assignment = new Assignment({
    pool,
    topic,
    logger,
    logRanges: () => fetchLogRange(admin, topic),
    consumer: theConsumer,
    fail,
    lane: {
      ...counting,
      topic,
      decode,
      bounds: bounds.flush,
      budget: new Budget(bounds.maxBufferedBytes),
      completeAt: (partition, nextOffset) => ends.completeAt(partition, nextOffset),
      seek: (partition, offset) => {
        theConsumer().seek(partition, offset);
      },
      onHalted: (partition, reason) => {
        assignment.halted(partition, reason);
      },
      onCounted: (partition, result) => {
        assignment.counted(partition, result.nextOffset);
        logger.debug({ partition, ...result }, 'flushed');
        wake();
      },
    },
  });
  const stall = startStallWatch({ timeoutMs: times.stallTimeoutMs, ends, assignment, fail });
  releases.add('stall watch', stall.stop);

  const assigned = Promise.withResolvers<readonly number[]>();
  let started = false;
  consumer = await consumeTopic({
    kafka: options.kafka,
    groupId: options.groupId,
    topic,
    sessionTimeoutMs: times.sessionTimeoutMs,
    fetch: bounds.fetch,
    onAssigned: (partitions) => {
      // kafkajs may report its first assignment before it has given us the consumer.
      if (started) assignment.assign(partitions);
      else assigned.resolve(partitions);
    },
    deliver: async (chunk, heartbeat) => {
      stall.fetched(chunk.partition);
      await assignment.deliver(chunk, heartbeat);
    },
    onCrash: fail,
  });
  started = true;
  void assigned.promise.then((partitions) => {
    assignment.assign(partitions);
  });
  // LIFO: leave the group first, then let the flushes under way end.
  releases.add('lanes', () => assignment.stop());
  releases.add('consumer', () => theConsumer().stop());

  const watermark = followLogEnds({
    admin,
    pool,
    topic,
    ends,
    everyMs: times.watermarkEveryMs,
    now: options.now,
    logger,
    positions: () => new Map(assignment.positions),
    onHalted: (partition, reason) => {
      assignment.halted(partition, reason);
    },
  });
  releases.add('watermark', watermark.stop);
  const replaying = periodically({
    name: 'replaying the quarantine',
    everyMs: times.replayEveryMs,
    logger,
    fail,
    job: async (stopped) => {
      const settled = await replayOnce(
        {
          ...counting,
          decode,
          firstRememberedPeriod: () => firstRememberedPeriod(pool, topic, options.window),
          maxEvents: bounds.flush.maxEvents,
          maxBytes: bounds.flush.maxBytes,
        },
        stopped,
      );
      if (settled > 0) wake();
      return { more: settled > 0 };
    },
  });
  releases.add('quarantine replay', replaying.stop);
  const housekeeping = periodically({
    name: 'housekeeping',
    everyMs: times.housekeepingEveryMs,
    logger,
    fail,
    job: async () => {
      await keepHouse({
        pool,
        topic,
        window: options.window,
        periods: counting.periods,
        maxChangeLogRows: bounds.maxChangeLogRows,
        logger,
      });
      return { more: false };
    },
  });
  releases.add('housekeeping', housekeeping.stop);
  return { failed, stop: () => releases.releaseAll() };
}

/** Wakes the tailers after a commit. One at a time: whoever is late finds all of them awake. */
function createWakeUp(pool: Pool, logger: Logger): () => void {
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
