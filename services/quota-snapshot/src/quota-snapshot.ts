/**
 * Publishes current usage whenever it leads, and stands by otherwise. A lost lock is no failure: it
 * stands by again. Being fenced by the broker is: then another instance publishes though we held the
 * lock, and only a fresh start may sort that out.
 */
import type { UsageSnapshot } from '@meterhouse/kafka';
import type { Pool } from '@meterhouse/postgres';
import { ignore, type Logger, type RunningService } from '@meterhouse/runtime';
import type { BeginSpan } from '@meterhouse/runtime/tracing';
import type { Kafka } from 'kafkajs';
import type { Client } from 'pg';
import { awaitLeadership, LeadershipLostError, type Leadership } from './leadership.ts';
import { NOBODY, type SnapshotObserver } from './observe/observer.ts';
import { PublicationTraces } from './observe/publication-traces.ts';
import { Term, type TermStatus } from './term.ts';
import { openPublication, TopicReplacedError } from './transactional-publication.ts';

export interface QuotaSnapshotOptions {
  /** As role meterhouse_snapshot; at least 4 connections. */
  readonly pool: Pool;
  /** A new Postgres session, not connected yet, for the lock. */
  readonly lockSession: () => Client;
  readonly kafka: Kafka;
  readonly eventsTopic: string;
  readonly snapshotsTopic: string;
  readonly encode: (snapshot: UsageSnapshot) => Buffer;
  readonly logger: Logger;
  /** Epoch ms. */
  readonly now: () => number;
  readonly random: () => number;
  readonly times?: Partial<QuotaSnapshotTimes>;
  readonly bounds?: Partial<QuotaSnapshotBounds>;
  /** Hears of every batch and term; nobody by default. */
  readonly observer?: SnapshotObserver;
  /** Traces each batch that makes traced flushes known; by default none. */
  readonly beginSpan?: BeginSpan | null;
  /** How leadership is got; by default by an advisory lock in Postgres. */
  readonly lead?: (signal: AbortSignal) => Promise<Leadership | null>;
}

export interface QuotaSnapshotTimes {
  /** Changes are published at most once in this time. */
  readonly minIntervalMs: number;
  readonly heartbeatMs: number;
  /** How long a leader may be silent before another takes over. */
  readonly leaseMs: number;
  readonly standbyMs: number;
  readonly refreshMs: number;
  readonly transactionTimeoutMs: number;
}

export interface QuotaSnapshotBounds {
  /** Hour buckets of the current month held in memory, about 250 bytes each. */
  readonly maxBuckets: number;
  /** Usage messages in one transaction. */
  readonly maxBatchMessages: number;
}

export type QuotaSnapshotStatus =
  { readonly role: 'standby' | 'stopped' } | ({ readonly role: 'leader' } & TermStatus);

export interface RunningQuotaSnapshot extends RunningService {
  status(): QuotaSnapshotStatus;
}

const TIMES: QuotaSnapshotTimes = {
  minIntervalMs: 250,
  heartbeatMs: 1_000,
  leaseMs: 10_000,
  standbyMs: 500,
  refreshMs: 250,
  transactionTimeoutMs: 15_000,
};
const BOUNDS: QuotaSnapshotBounds = { maxBuckets: 2_000_000, maxBatchMessages: 2_000 };

export function startQuotaSnapshot(options: QuotaSnapshotOptions): RunningQuotaSnapshot {
  const stopping = new AbortController();
  const failed = Promise.withResolvers<never>();
  // Whoever waits for it hears of it; nobody has to.
  failed.promise.catch(ignore);
  let status: () => QuotaSnapshotStatus = () => ({ role: 'standby' });
  const show = (term: Term | null): void => {
    status = () => (term === null ? { role: 'standby' } : { role: 'leader', ...term.status() });
  };
  const ended = serve(options, stopping.signal, show)
    .catch(failed.reject)
    .then(() => {
      status = () => ({ role: 'stopped' });
    });
  return {
    status: () => status(),
    failed: failed.promise,
    stop: async () => {
      stopping.abort();
      await ended;
    },
  };
}

async function serve(
  options: QuotaSnapshotOptions,
  stopping: AbortSignal,
  show: (term: Term | null) => void,
): Promise<void> {
  const { logger } = options;
  const lead = options.lead ?? leadByLock(options);
  while (!stopping.aborted) {
    const leadership = await lead(stopping);
    if (leadership === null) return;
    const term = new Term(termOptions(options), leadership);
    show(term);
    options.observer?.termBegan();
    logger.info({ epoch: leadership.epoch }, 'publishing snapshots');
    try {
      await term.run(stopping);
    } catch (error) {
      // Both are put right by another term: it has a higher epoch and publishes the whole state.
      if (!(error instanceof LeadershipLostError || error instanceof TopicReplacedError)) throw error;
      logger.warn({ err: error, epoch: leadership.epoch }, 'gave up publishing; standing by');
    } finally {
      show(null);
      await leadership.release();
    }
  }
}

function leadByLock(options: QuotaSnapshotOptions): (signal: AbortSignal) => Promise<Leadership | null> {
  const { leaseMs, standbyMs } = { ...TIMES, ...options.times };
  const { lockSession: session, snapshotsTopic: topic, logger, random } = options;
  return (signal) => awaitLeadership({ session, topic, leaseMs, standbyMs, logger, random }, signal);
}

function termOptions(options: QuotaSnapshotOptions): ConstructorParameters<typeof Term>[0] {
  const { minIntervalMs, heartbeatMs, refreshMs, transactionTimeoutMs } = { ...TIMES, ...options.times };
  const { maxBuckets, maxBatchMessages } = { ...BOUNDS, ...options.bounds };
  const { pool, kafka, eventsTopic, snapshotsTopic, encode, logger, now, random } = options;
  const reached = { offset: -1n };
  const { beginSpan = null } = options;
  return {
    pool,
    eventsTopic,
    countPartitions: () => countPartitions(kafka, eventsTopic),
    openPublication: () =>
      openPublication({ kafka, topic: snapshotsTopic, encode, transactionTimeoutMs, reached, logger }),
    publishing: { minIntervalMs, heartbeatMs, maxBatchMessages },
    maxBuckets,
    refreshMs,
    observer: options.observer ?? NOBODY,
    traces: beginSpan === null ? null : new PublicationTraces(beginSpan, snapshotsTopic),
    logger,
    now,
    random,
  };
}

async function countPartitions(kafka: Kafka, topic: string): Promise<number> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    return topics[0]?.partitions.length ?? Infinity;
  } finally {
    await admin.disconnect();
  }
}
