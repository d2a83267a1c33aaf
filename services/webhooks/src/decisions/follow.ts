/**
 * Follows the decisions' topic. An offset is told only after the COMMIT of the events below it; what is
 * delivered twice is the same events, which the outbox has.
 */
import {
  consumeTopic,
  createDecisionDecoder,
  isRefusal,
  isUnknownSchema,
  type Decoder,
  type FetchedChunk,
  type FetchedRecord,
  type PublishedDecision,
  type SchemaRegistry,
} from '@meterhouse/kafka';
import { errorCode, isRetryable, type Pool } from '@meterhouse/postgres';
import { enqueueEvents, readLineages, readWatchers, type OutgoingEvent } from '@meterhouse/postgres/webhooks';
import { parseDecisionRecord, UnreadableRecordError } from '@meterhouse/quota';
import { backoffMs, ignore, isAborted, pause, type Logger } from '@meterhouse/runtime';
import type { Kafka } from 'kafkajs';
import type { WebhookBounds } from '../bounds.ts';
import { quotaEvent, type ToldRecord } from './quota-event.ts';

interface FollowOptions {
  /** As role meterhouse_webhooks. */
  readonly pool: Pool;
  readonly kafka: Kafka;
  readonly schemas: SchemaRegistry;
  readonly topic: string;
  readonly groupId: string;
  readonly sessionTimeoutMs: number;
  readonly bounds: Pick<WebhookBounds, 'maxWaiting' | 'retry'>;
  readonly random: () => number;
  readonly newId: () => string;
  readonly logger: Logger;
  /** Ends the service. */
  readonly fail: (error: unknown) => void;
}

const MIB = 1024 * 1024;
const FETCH = { maxBytes: 8 * MIB, maxBytesPerPartition: MIB, maxWaitMs: 250 };
const BATCH = 200;
const LEARN_MS = 2_000;
const EVENTS = ['quota.denied', 'quota.warned'];

interface Received {
  readonly record: ToldRecord;
  /** Epoch ms of the message. */
  readonly receivedAt: number;
}

export interface Following {
  /** What the group has given to this member. */
  partitions(): readonly number[];
  stop(): Promise<void>;
}

export async function followDecisions(options: FollowOptions): Promise<Following> {
  const { fail, logger } = options;
  const stopping = new AbortController();
  let assigned: readonly number[] = [];
  const decoder = createDecisionDecoder(options.schemas);
  const told = Promise.withResolvers<Awaited<ReturnType<typeof consumeTopic>>>();
  told.promise.catch(ignore);
  const consumer = await consumeTopic({
    ...options,
    fetch: FETCH,
    onAssigned: (partitions) => {
      assigned = partitions;
      logger.info({ partitions }, 'partitions assigned');
    },
    deliver: async (chunk, heartbeat) => {
      const following = await told.promise;
      for (const records of batchesOf(chunk)) {
        // Returning is enough: the offset was not told, so it is delivered again.
        if (!(await keep(records, decoder, heartbeat, options, stopping.signal))) return;
        const offset = records === chunk.records ? chunk.nextOffset : (records.at(-1)?.offset ?? -1n) + 1n;
        await following.commit([{ partition: chunk.partition, offset }]).catch((error: unknown) => {
          logger.warn({ err: error, partition: chunk.partition }, 'Kafka did not take the offset');
        });
      }
    },
    onCrash: fail,
  });
  told.resolve(consumer);
  return {
    partitions: () => assigned,
    stop: async () => {
      stopping.abort();
      await consumer.stop();
    },
  };
}

function batchesOf({ records }: FetchedChunk): readonly (readonly FetchedRecord[])[] {
  if (records.length <= BATCH) return [records];
  const batches = Math.ceil(records.length / BATCH);
  return Array.from({ length: batches }, (_, index) => records.slice(index * BATCH, (index + 1) * BATCH));
}

/** @returns false when it is to stop before all is committed; what `heartbeat` throws, the group's end, is thrown on */
async function keep(
  records: readonly FetchedRecord[],
  decoder: Decoder<PublishedDecision>,
  heartbeat: () => Promise<void>,
  options: FollowOptions,
  signal: AbortSignal,
): Promise<boolean> {
  const { bounds, random, logger, fail } = options;
  for (let attempt = 0; !isAborted(signal); attempt += 1) {
    try {
      const received = await readAll(records, decoder, logger);
      if (received !== null) {
        await enqueueAll(received, options);
        return true;
      }
    } catch (error) {
      if (!isRetryable(error)) {
        fail(error);
        throw error;
      }
      if (attempt === 0)
        logger.warn({ code: errorCode(error), err: error }, 'quota events wait for Postgres');
    }
    await pause(backoffMs(attempt, bounds.retry, random), signal);
    await heartbeat();
  }
  return false;
}

/** @returns null while the schema registry is away */
async function readAll(
  records: readonly FetchedRecord[],
  decoder: Decoder<PublishedDecision>,
  logger: Logger,
): Promise<readonly Received[] | null> {
  const received: Received[] = [];
  let unreadable = 0;
  for (const { payload, receivedAt } of records) {
    let read = decoder.decode(payload);
    while (isUnknownSchema(read)) {
      if ((await decoder.learn(read.unknownSchemaId, { deadlineMs: LEARN_MS })) === 'unavailable') {
        logger.warn({ schemaId: read.unknownSchemaId }, 'quota events wait for the schema registry');
        return null;
      }
      read = decoder.decode(payload);
    }
    const record = isRefusal(read) ? 'unreadable' : recordOf(read);
    if (record === 'unreadable') unreadable += 1;
    else if (record !== null) received.push({ record, receivedAt });
  }
  if (unreadable > 0)
    logger.warn(
      { unreadable },
      'messages are no decisions: the decision log keeps them in unreadable_decisions',
    );
  return received;
}

/** @returns null for what is no news */
function recordOf({ outcome, record }: PublishedDecision): ToldRecord | 'unreadable' | null {
  if (outcome !== 'deny' && outcome !== 'warn') return null;
  try {
    const parsed = parseDecisionRecord(record);
    return parsed.outcome === 'allow' ? 'unreadable' : { ...parsed, outcome: parsed.outcome };
  } catch (error) {
    if (error instanceof UnreadableRecordError) return 'unreadable';
    throw error;
  }
}

async function enqueueAll(
  received: readonly Received[],
  { pool, bounds, newId, logger }: FollowOptions,
): Promise<void> {
  if (received.length === 0) return;
  const watchers = Map.groupBy(await readWatchers(pool, EVENTS), ({ tenantId }) => tenantId);
  if (watchers.size === 0) return;
  const tenants = [...new Set(received.map(({ record }) => record.request.tenantId))];
  const lineages = await readLineages(pool, tenants);
  const events = received.flatMap(({ record, receivedAt }): OutgoingEvent[] => {
    const lineage = lineages.get(record.request.tenantId) ?? [];
    return (
      lineage
        .flatMap((tenant) => watchers.get(tenant) ?? [])
        // Not what was decided before anybody asked to hear of it.
        .filter(({ createdAt }) => receivedAt >= createdAt)
        .map((watcher) => quotaEvent(newId(), watcher, record, lineage))
        .filter((event) => event !== null)
    );
  });
  const { full } = await enqueueEvents(pool, events, bounds.maxWaiting);
  if (full.length > 0)
    logger.error(
      { webhooks: full, events: events.filter(({ subscriptionId }) => full.includes(subscriptionId)).length },
      'too much waits: quota events were not added; they stand in the decision log',
    );
}
