/**
 * Keeps batches: reads their messages, and writes them down in one statement each. Whatever a message
 * is, it ends as a decision or as a message that could not be read; only stores that are away are waited
 * for, and then nothing is skipped.
 */
import { isUnknownSchema, type Decoder, type FetchedRecord, type PublishedDecision } from '@meterhouse/kafka';
import { errorCode, isRetryable, type Pool } from '@meterhouse/postgres';
import { keepDecisions, type KeptDecision, type UnreadableDecision } from '@meterhouse/postgres/decisions';
import { backoffMs, isAborted, type Logger, pause } from '@meterhouse/runtime';
import type { Batch } from './batches.ts';
import { asDetail, checkDecision } from './check-decision.ts';
import type { DecisionLogObserver } from './observe/observer.ts';

export interface KeeperOptions {
  readonly pool: Pool;
  readonly topic: string;
  readonly decoder: Decoder<PublishedDecision>;
  readonly observer: Pick<DecisionLogObserver, 'kept' | 'batchKept'>;
  readonly logger: Logger;
  readonly random: () => number;
  readonly retry: { readonly baseMs: number; readonly maxMs: number };
}

export interface KeeperStatus {
  /** Decisions that were new. */
  readonly kept: number;
  /** Messages that could not be read. */
  readonly unreadable: number;
  /** What is waited for; null when nothing is. */
  readonly waitingFor: 'Postgres' | 'the schema registry' | null;
}

/** The work is to end; what was under way is read again by whoever goes on. */
export class StoppedError extends Error {
  constructor() {
    super('stopped');
    this.name = 'StoppedError';
  }
}

const LEARN_MS = 2_000;

interface ReadBatch {
  readonly decisions: readonly { readonly decision: KeptDecision; readonly record: FetchedRecord }[];
  readonly unreadable: readonly UnreadableDecision[];
}

export class Keeper {
  readonly #options: KeeperOptions;
  #kept = 0;
  #unreadable = 0;
  #waitingFor: KeeperStatus['waitingFor'] = null;

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  status(): KeeperStatus {
    return { kept: this.#kept, unreadable: this.#unreadable, waitingFor: this.#waitingFor };
  }

  /**
   * Resolves once all of the batch is committed.
   * @param signal ends waiting for a store that is away
   * @throws StoppedError; errors that waiting does not mend
   */
  async keep(batch: Batch, signal: AbortSignal): Promise<void> {
    const startedAt = performance.now();
    const read = await this.#read(batch, signal);
    if (read.unreadable.length > 0)
      this.#options.logger.warn(
        { partition: batch.partition, messages: read.unreadable.length, first: read.unreadable[0]?.detail },
        'messages are no decisions: kept in unreadable_decisions',
      );
    await this.#write(batch.partition, read, signal);
    this.#options.observer.batchKept(performance.now() - startedAt);
  }

  async #read(batch: Batch, signal: AbortSignal): Promise<ReadBatch> {
    const decisions: ReadBatch['decisions'][number][] = [];
    const unreadable: UnreadableDecision[] = [];
    for (const record of batch.records) {
      const checked = await this.#readOne(record, signal);
      if ('decision' in checked) decisions.push({ decision: checked.decision, record });
      else unreadable.push({ ...of(batch.partition, record), ...checked });
    }
    return { decisions, unreadable };
  }

  async #readOne(record: FetchedRecord, signal: AbortSignal): Promise<ReturnType<typeof checkDecision>> {
    const { decoder } = this.#options;
    for (let attempt = 0; ; attempt += 1) {
      const read = decoder.decode(record.payload);
      if (!isUnknownSchema(read)) return checkDecision(read);
      const learned = await decoder.learn(read.unknownSchemaId, { deadlineMs: LEARN_MS });
      if (learned !== 'unavailable') {
        this.#found('the schema registry');
        continue;
      }
      // Not this message's fault: with the registry back it may well be readable.
      await this.#missing('the schema registry', { schemaId: read.unknownSchemaId }, attempt, signal);
    }
  }

  async #write(partition: number, batch: ReadBatch, signal: AbortSignal): Promise<void> {
    const { pool, topic, observer } = this.#options;
    for (let attempt = 0; ; attempt += 1) {
      try {
        const decisions = batch.decisions.map(({ decision }) => decision);
        const isNew = await keepDecisions(pool, topic, decisions, batch.unreadable);
        observer.kept(decisions, isNew, batch.unreadable);
        this.#kept += isNew;
        this.#unreadable += batch.unreadable.length;
        this.#found('Postgres');
        return;
      } catch (error) {
        if (isAboutData(error)) {
          await this.#writeApart(partition, batch, error, signal);
          return;
        }
        if (!isRetryable(error)) throw error;
        await this.#missing('Postgres', { code: errorCode(error) }, attempt, signal);
      }
    }
  }

  /** Halves until the one that the store refuses stands alone: it must not hold up the others. */
  async #writeApart(partition: number, batch: ReadBatch, error: unknown, signal: AbortSignal): Promise<void> {
    const { decisions, unreadable } = batch;
    const [first] = decisions;
    if (first === undefined) throw error;
    if (decisions.length > 1) {
      const half = Math.ceil(decisions.length / 2);
      await this.#write(partition, { decisions: decisions.slice(0, half), unreadable }, signal);
      await this.#write(partition, { decisions: decisions.slice(half), unreadable: [] }, signal);
      return;
    }
    const detail = asDetail(`${errorCode(error)} ${error instanceof Error ? error.message : String(error)}`);
    const refused = { ...of(partition, first.record), reason: 'refused_by_store' as const, detail };
    this.#options.logger.warn(
      { partition, id: first.decision.id, correlationId: first.decision.correlationId, detail },
      'a decision cannot be stored',
    );
    await this.#write(partition, { decisions: [], unreadable: [...unreadable, refused] }, signal);
  }

  async #missing(
    what: NonNullable<KeeperStatus['waitingFor']>,
    details: object,
    attempt: number,
    signal: AbortSignal,
  ): Promise<void> {
    const { logger, random, retry } = this.#options;
    if (this.#waitingFor !== what) logger.warn(details, `decisions wait for ${what}; nothing is skipped`);
    this.#waitingFor = what;
    await pause(backoffMs(attempt, retry, random), signal);
    if (isAborted(signal)) throw new StoppedError();
  }

  #found(what: NonNullable<KeeperStatus['waitingFor']>): void {
    if (this.#waitingFor !== what) return;
    this.#waitingFor = null;
    this.#options.logger.info(`${what} is back: decisions are kept again`);
  }
}

function of(partition: number, { offset, payload }: FetchedRecord) {
  return { partition, offset, payload };
}

/**
 * SQLSTATE classes in which the store refuses what is written, and would again: data exception, integrity
 * constraint, program limit.
 */
function isAboutData(error: unknown): boolean {
  return /^(22|23|54)[0-9A-Z]{3}$/.test(errorCode(error));
}
