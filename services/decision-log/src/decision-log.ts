/**
 * Follows the decisions' topic and keeps each decision in Postgres exactly once.
 *
 * Where to go on is the group's offset in Kafka, told only after the COMMIT of all that lies below it.
 * So nothing is skipped, and what is delivered twice, after a crash between the two or to two members that
 * both believe they own the partition, is the same row by its id.
 */
import {
  consumeTopic,
  createDecisionDecoder,
  type FetchBounds,
  type SchemaRegistry,
} from '@meterhouse/kafka';
import type { Pool } from '@meterhouse/postgres';
import { Drain, ignore, type Logger, type RunningService } from '@meterhouse/runtime';
import { DAY_MS } from '@meterhouse/usage';
import type { Kafka } from 'kafkajs';
import type { BatchBounds } from './batches.ts';
import { deliver, type Delivery } from './delivery.ts';
import { startHousekeeping, type HousekeepingTimes } from './housekeeping.ts';
import { Keeper, type KeeperStatus } from './keeper.ts';
import { NOBODY, type DecisionLogObserver } from './observe/observer.ts';
import { readStands, tellLosses } from './stands.ts';

export interface DecisionLogOptions {
  /** As role meterhouse_decisions. */
  readonly pool: Pool;
  readonly kafka: Kafka;
  readonly schemas: SchemaRegistry;
  readonly topic: string;
  readonly groupId: string;
  /** How long a decision is kept after it was received; a day at least. */
  readonly keepMs: number;
  /** How long a reservation of capacity is kept after its end; a day at least. Default 30 days. */
  readonly keepReservationsMs?: number;
  readonly logger: Logger;
  readonly random: () => number;
  readonly times?: Partial<DecisionLogTimes>;
  readonly bounds?: Partial<DecisionLogBounds>;
  /** Hears of every batch and assignment; nobody by default. */
  readonly observer?: DecisionLogObserver;
  /** How the topic is followed; by default with kafkajs. */
  readonly consume?: typeof consumeTopic;
}

export interface DecisionLogTimes extends HousekeepingTimes {
  readonly sessionTimeoutMs: number;
  /** Back-off while a store is away. */
  readonly retry: { readonly baseMs: number; readonly maxMs: number };
}

export interface DecisionLogBounds extends BatchBounds {
  readonly fetch: FetchBounds;
  /** Rows that one round of retention takes away at most, of decisions and of reservations each. */
  readonly sweepRows: number;
}

export interface RunningDecisionLog extends RunningService {
  status(): KeeperStatus;
}

const MIB = 1024 * 1024;
const TIMES: DecisionLogTimes = {
  sessionTimeoutMs: 15_000,
  retry: { baseMs: 200, maxMs: 10_000 },
  standEveryMs: 5_000,
  sweepEveryMs: 60_000,
  reservationsEveryMs: 60_000,
};
const BOUNDS: DecisionLogBounds = {
  maxRows: 500,
  maxBytes: 4 * MIB,
  // One partition's fetch is held in memory at a time for each of them, and nothing else.
  fetch: { maxBytes: 8 * MIB, maxBytesPerPartition: 2 * MIB, maxWaitMs: 250 },
  sweepRows: 5_000,
};

export async function startDecisionLog(options: DecisionLogOptions): Promise<RunningDecisionLog> {
  const { pool, kafka, topic, groupId, keepMs, logger, random, observer = NOBODY } = options;
  const times = { ...TIMES, ...options.times };
  const bounds = { ...BOUNDS, ...options.bounds };
  const stopping = new AbortController();
  const failed = Promise.withResolvers<never>();
  // Whoever waits for it hears of it; nobody has to.
  failed.promise.catch(ignore);
  const fail = (error: unknown): void => {
    // Nothing more is kept or told from here on: the next start goes on from what was.
    stopping.abort();
    failed.reject(error);
  };
  const decoder = createDecisionDecoder(options.schemas);
  const keeper = new Keeper({ pool, topic, decoder, observer, logger, random, retry: times.retry });
  // Before anything is read: kafkajs passes over what the log no longer holds without a word.
  const stands = await readStands(kafka, topic, groupId);
  observer.stands(stands);
  tellLosses(stands, logger);
  // kafkajs delivers before it has handed the consumer over.
  const told = Promise.withResolvers<Pick<Delivery, 'commit'>>();
  const following = await (options.consume ?? consumeTopic)({
    kafka,
    groupId,
    topic,
    sessionTimeoutMs: times.sessionTimeoutMs,
    fetch: bounds.fetch,
    onAssigned: (partitions) => {
      logger.info({ partitions }, 'partitions assigned');
      observer.assigned(partitions);
    },
    deliver: async (chunk, heartbeat) => {
      const { commit } = await told.promise;
      await deliver(chunk, heartbeat, {
        ...{ keeper, bounds, commit, logger, fail },
        stopping: stopping.signal,
      });
    },
    onCrash: fail,
    onRestart: observer.consumerRestarted,
  });
  told.resolve({ commit: (offsets) => following.commit(offsets) });
  const house = startHousekeeping({
    ...{ pool, kafka, topic, groupId, keepMs, logger, fail },
    sweepRows: bounds.sweepRows,
    keepReservationsMs: options.keepReservationsMs ?? 30 * DAY_MS,
    onStands: observer.stands,
    times,
  });
  return {
    status: () => keeper.status(),
    failed: failed.promise,
    stop: async (drain = Drain.within()) => {
      stopping.abort();
      await drain.end('the consumer', () => following.stop());
      await drain.end('housekeeping', () => house.stop());
    },
  };
}
