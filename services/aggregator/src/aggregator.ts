/**
 * Kafka usage_events → hour buckets in Postgres. Composes the consumer, one lane a partition, the
 * watermark, the replay of quarantined events, and housekeeping.
 */
import {
  createEventDecoder,
  fetchLogRange,
  type FetchBounds,
  type LogRange,
  type SchemaRegistry,
} from '@meterhouse/kafka';
import type { Pool } from '@meterhouse/postgres';
import {
  createWakeUp,
  DedupPeriods,
  firstRememberedPeriod,
  keepHouse,
  periodically,
  RegistryCache,
  replayOnce,
  type CountingDeps,
  type DecodedRecord,
} from '@meterhouse/postgres/counting';
import type { Failpoint, RecordOrigin } from '@meterhouse/postgres/flush';
import { Releases, type Drain, type Logger, type RunningService } from '@meterhouse/runtime';
import type { BeginSpan } from '@meterhouse/runtime/tracing';
import type { Window } from '@meterhouse/usage';
import type { Admin, Kafka } from 'kafkajs';
import { Assignment } from './assignment.ts';
import { Budget } from './budget.ts';
import type { FlushBounds } from './lane.ts';
import { LateConsumer } from './late-consumer.ts';
import { LogEnds } from './log-ends.ts';
import { FlushLog } from './observe/flush-log.ts';
import { flushTraces } from './observe/flush-traces.ts';
import { NOBODY, type ConsumingObserver } from './observe/counting-observer.ts';
import { decodeRecords } from './prepare.ts';
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
  /** Hears of every flush and assignment; nobody by default. */
  readonly observer?: ConsumingObserver;
  /** Traces each flush; by default none. */
  readonly beginSpan?: BeginSpan | null;
}

/** What the parts of one running aggregator share. */
interface Parts {
  readonly options: AggregatorOptions;
  readonly admin: Admin;
  readonly counting: CountingDeps & { readonly observer: ConsumingObserver };
  readonly decode: (records: readonly RecordOrigin[]) => Promise<DecodedRecord[]>;
  readonly ends: LogEnds;
  readonly wake: () => void;
  readonly fail: (error: unknown) => void;
}

export interface RunningAggregator extends RunningService {
  /** What was fetched and is not counted yet, in this process. */
  bufferedBytes(): number;
  /** How this worker stands, from memory. */
  standing(): WorkerStanding;
  /** Asks the broker what it has of the topic. */
  logRanges(): Promise<ReadonlyMap<number, LogRange>>;
}

export interface WorkerStanding {
  /** What it has counted of each partition that it holds; halted ones are left out. */
  readonly positions: ReadonlyMap<number, bigint>;
  /** The log ends as last asked for. */
  readonly ends: ReadonlyMap<number, bigint>;
  /** Assignments that it was given, and how many have taken effect. */
  readonly assignments: { readonly given: number; readonly settled: number };
}

/** Starts counting. Tables and topics must be there. */
export async function startAggregator(options: AggregatorOptions): Promise<RunningAggregator> {
  const releases = new Releases();
  const { promise: failed, reject: fail } = Promise.withResolvers<never>();
  // Whoever runs the service awaits it; until then a failure must not count as unhandled.
  failed.catch(() => undefined);

  const admin = options.kafka.admin();
  await admin.connect();
  releases.add('Kafka admin', () => admin.disconnect());
  const decoder = createEventDecoder(options.schemas);
  const parts: Parts = {
    options,
    admin,
    counting: countingDeps(options),
    decode: (records) => decodeRecords(records, decoder, options.times.schemaTimeoutMs),
    ends: new LogEnds(),
    wake: createWakeUp(options.pool, options.logger),
    fail,
  };
  const budget = new Budget(options.bounds.maxBufferedBytes);
  const { assignment, stop } = await startCounting(parts, budget);
  releases.add('partitions', stop);
  const watermark = followLogEnds({
    ...options,
    admin,
    ends: parts.ends,
    everyMs: options.times.watermarkEveryMs,
    positions: () => new Map(assignment.positions),
    onHalted: (partition, reason) => {
      assignment.halted(partition, reason);
    },
  });
  releases.add('watermark', watermark.stop);
  releases.add('quarantine replay', startReplaying(parts).stop);
  releases.add('housekeeping', startHousekeeping(parts).stop);
  return {
    failed,
    bufferedBytes: () => budget.usedBytes,
    standing: () => standingOf(assignment, parts.ends),
    logRanges: () => fetchLogRange(admin, options.topic),
    stop: (drain) => releases.releaseAll(drain),
  };
}

function standingOf(assignment: Assignment, ends: LogEnds): WorkerStanding {
  const { positions } = assignment;
  return {
    positions: new Map(positions),
    ends: new Map(
      Array.from(positions.keys()).flatMap((partition) => {
        const end = ends.latestEnd(partition);
        return end === null ? [] : [[partition, end]];
      }),
    ),
    assignments: assignment.generations,
  };
}

function countingDeps(options: AggregatorOptions): Parts['counting'] {
  return {
    pool: options.pool,
    registry: new RegistryCache(options.pool),
    periods: new DedupPeriods(options.pool),
    window: options.window,
    failpoint: options.failpoint ?? (() => Promise.resolve()),
    random: options.random,
    logger: options.logger,
    observer: options.observer ?? NOBODY,
    postgresTimeoutMs: options.times.postgresTimeoutMs,
  };
}

/** The consumer and the lanes behind it. */
async function startCounting(
  parts: Parts,
  budget: Budget,
): Promise<{ assignment: Assignment; stop: (drain: Drain) => Promise<void> }> {
  const { options, fail } = parts;
  const consumer = new LateConsumer();
  const log = new FlushLog(options.logger);
  const { beginSpan = null } = options;
  const assignment: Assignment = new Assignment({
    pool: options.pool,
    topic: options.topic,
    logger: options.logger,
    logRanges: () => fetchLogRange(parts.admin, options.topic),
    consumer,
    fail,
    lane: {
      ...parts.counting,
      topic: options.topic,
      decode: parts.decode,
      bounds: options.bounds.flush,
      budget,
      traceFlush: beginSpan === null ? null : flushTraces(beginSpan, options.topic),
      completeAt: (partition, nextOffset) => parts.ends.completeAt(partition, nextOffset),
      seek: (partition, offset) => {
        assignment.reread(partition, offset);
      },
      onHalted: (partition, reason) => {
        assignment.halted(partition, reason);
      },
      onCounted: (partition, result) => {
        assignment.counted(partition, result.nextOffset);
        consumer.counted(partition, result.nextOffset);
        log.flushed(partition, result);
        parts.wake();
      },
    },
  });
  const stall = startStallWatch({
    timeoutMs: options.times.stallTimeoutMs,
    ends: parts.ends,
    assignment,
    fail,
  });
  await consumer.start(
    { ...options, withTraceparent: beginSpan !== null },
    {
      onAssigned: (partitions) => {
        assignment.assign(partitions);
      },
      deliver: async (chunk, heartbeat) => {
        stall.fetched(chunk.partition);
        await assignment.deliver(chunk, heartbeat);
      },
      onCrash: fail,
      onRestart: parts.counting.observer.consumerRestarted,
    },
  );
  return {
    assignment,
    stop: async (drain) => {
      stall.stop();
      // Together: the consumer waits for deliver, and deliver may wait for room in a lane.
      await Promise.all([
        drain.end('the consumer', () => consumer.stop()),
        drain.end('flushes under way', () => assignment.stop()),
      ]);
      log.tell();
    },
  };
}

function startReplaying(parts: Parts): { stop: () => Promise<void> } {
  const { options } = parts;
  return periodically({
    name: 'replaying the quarantine',
    everyMs: options.times.replayEveryMs,
    logger: options.logger,
    fail: parts.fail,
    job: async (stopped) => {
      const settled = await replayOnce(
        {
          ...parts.counting,
          decode: parts.decode,
          firstRememberedPeriod: () => firstRememberedPeriod(options.pool, options.topic, options.window),
          from: null,
          maxEvents: options.bounds.flush.maxEvents,
          maxBytes: options.bounds.flush.maxBytes,
        },
        stopped,
      );
      if (settled > 0) parts.wake();
      return { more: settled > 0 };
    },
  });
}

function startHousekeeping(parts: Parts): { stop: () => Promise<void> } {
  const { options } = parts;
  return periodically({
    name: 'housekeeping',
    everyMs: options.times.housekeepingEveryMs,
    logger: options.logger,
    fail: parts.fail,
    job: async () => {
      await keepHouse({
        ...options,
        periods: parts.counting.periods,
        maxChangeLogRows: options.bounds.maxChangeLogRows,
      });
      return { more: false };
    },
  });
}
