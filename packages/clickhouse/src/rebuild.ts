/**
 * Makes the mirror again from Postgres while the pipeline runs. Rows that are wrong, missing or too
 * many are all gone afterwards, because nothing of the old table is kept.
 *
 * 1. Hold the change log from here on, and drop what a rebuild that died has left.
 * 2. Fill a new table with every bucket of Postgres, page by page. Each page shows the moment at
 *    which it is read; whatever is counted later stands in the log that is held.
 * 3. Follow the log into the new table until it is nearly at the end. The old table stays in use.
 * 4. Note in Postgres that an exchange is under way. Whatever the mirror reads after this it does not
 *    apply. Should anything die before 7, the mirror finds the note and rebuilds by itself.
 * 5. Follow the log up to where counting stood after the note: so the new table has all that the
 *    mirror can still be writing into the old one, and nobody sees the numbers go back.
 * 6. Exchange the two tables in one step, and say how far the new one is complete.
 * 7. Set the mirror's cursors to where the new table stands and take the note back.
 * 8. Drop the old table.
 */
import type { CallOptions, ClickHouse } from './client.ts';
import { migrateClickHouse } from './migrations.ts';
import {
  forgetMirrorProgress,
  insertMirrorProgress,
  readMirrorProgress,
  type MirrorPosition,
} from './mirror-progress.ts';
import { highestRevisions, type MirroredBucket } from './usage-hourly-row.ts';
import { createRebuildTable, dropRebuildTables, exchangeRebuildTable } from './rebuild-tables.ts';
import { insertBuckets } from './usage-hourly.ts';

/** Changes in the log after those that were handed out before. */
export interface LogStep {
  readonly changes: readonly MirroredBucket[];
  readonly positions: readonly MirrorPosition[];
  /** More follow at once. */
  readonly more: boolean;
}

/** The Postgres side of one rebuild, which holds the change log from the moment it began. */
export interface HeldLog {
  /** Every bucket, in pages. */
  buckets(): AsyncIterable<readonly MirroredBucket[]>;
  nextChanges(): Promise<LogStep>;
  /**
   * Steps 4 to 7: calls `apply` until the new table has all that the mirror may have, then
   * `exchange` once.
   */
  swap(steps: {
    apply: (changes: readonly MirroredBucket[]) => Promise<void>;
    exchange: (positions: readonly MirrorPosition[]) => Promise<void>;
  }): Promise<void>;
}

export interface RebuildSource {
  /** Runs work under the lock that whoever changes ClickHouse's tables takes. */
  migrating<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T>;
  /** One rebuild at a time: waits until it is this one's turn. The log is let go at the end, however it ends. */
  exclusively<T>(work: (log: HeldLog) => Promise<T>, signal: AbortSignal): Promise<T>;
}

export interface RebuildProgress {
  readonly phase: 'waiting' | 'filling' | 'following' | 'exchanging' | 'done';
  /** Buckets written so far. */
  readonly buckets: number;
  /** Changes followed so far, after those of the same bucket were merged. */
  readonly changes: number;
}

export interface RebuildOptions {
  readonly clickhouse: ClickHouse;
  readonly source: RebuildSource;
  /** Makes the new table's name unique, such as a UUID. */
  readonly unique: string;
  /** Epoch ms. */
  readonly now: () => number;
  readonly onProgress?: (progress: RebuildProgress) => void;
  /** Asked when it is this rebuild's turn: the one that went before may have done the work. */
  readonly isStillNeeded?: () => Promise<boolean>;
  readonly signal?: AbortSignal;
}

/** ClickHouse may be the reason why the rebuild failed. */
const CLEAN_UP_MS = 5_000;

/** @throws when it could not be finished; the old table is then still in use, or the mirror rebuilds by itself */
export async function rebuildClickHouse(options: RebuildOptions): Promise<RebuildProgress> {
  const signal = options.signal ?? new AbortController().signal;
  const rebuild = new Rebuild(options, signal);
  rebuild.say('waiting');
  await options.source.migrating(() => migrateClickHouse(options.clickhouse, { signal }), signal);
  return options.source.exclusively(async (log) => {
    const needed = (await options.isStillNeeded?.()) ?? true;
    return needed ? rebuild.runOrCleanUp(log) : rebuild.say('done');
  }, signal);
}

class Rebuild {
  readonly #options: RebuildOptions;
  readonly #call: CallOptions;
  #buckets = 0;
  #changes = 0;

  constructor(options: RebuildOptions, signal: AbortSignal) {
    this.#options = options;
    this.#call = { signal };
  }

  say(phase: RebuildProgress['phase']): RebuildProgress {
    const progress = { phase, buckets: this.#buckets, changes: this.#changes };
    this.#options.onProgress?.(progress);
    return progress;
  }

  /** Whichever of the two tables bears the rebuild's name after a failure is not in use. */
  async runOrCleanUp(log: HeldLog): Promise<RebuildProgress> {
    try {
      return await this.#run(log);
    } catch (error) {
      try {
        await dropRebuildTables(this.#options.clickhouse, { signal: AbortSignal.timeout(CLEAN_UP_MS) });
      } catch (cleanUpError) {
        // The next rebuild drops it.
        throw new AggregateError([error, cleanUpError], 'a rebuild failed and its table is left over', {
          cause: error,
        });
      }
      throw error;
    }
  }

  async #run(log: HeldLog): Promise<RebuildProgress> {
    const { clickhouse, unique } = this.#options;
    await dropRebuildTables(clickhouse, this.#call);
    const table = await createRebuildTable(clickhouse, unique, this.#call);
    await this.#fill(log, table);
    await this.#follow(log, table);
    this.say('exchanging');
    await log.swap({
      apply: (changes) => this.#insert(changes, table),
      exchange: (positions) => this.#exchange(positions, table),
    });
    // From here on it bears the old rows.
    await dropRebuildTables(clickhouse, this.#call);
    return this.say('done');
  }

  async #fill(log: HeldLog, table: string): Promise<void> {
    this.say('filling');
    for await (const page of log.buckets()) {
      this.#call.signal?.throwIfAborted();
      await insertBuckets(this.#options.clickhouse, page, { ...this.#call, table });
      this.#buckets += page.length;
      this.say('filling');
    }
  }

  async #follow(log: HeldLog, table: string): Promise<void> {
    for (;;) {
      this.#call.signal?.throwIfAborted();
      const step = await log.nextChanges();
      await this.#insert(step.changes, table);
      this.say('following');
      if (!step.more) return;
    }
  }

  async #insert(changes: readonly MirroredBucket[], table: string): Promise<void> {
    const buckets = highestRevisions(changes);
    await insertBuckets(this.#options.clickhouse, buckets, { ...this.#call, table });
    this.#changes += buckets.length;
  }

  async #exchange(positions: readonly MirrorPosition[], table: string): Promise<void> {
    const { clickhouse, now, unique } = this.#options;
    const said = await readMirrorProgress(clickhouse, this.#call);
    // The highest counts, so what went too far (Postgres was restored, a topic made anew) has to go first.
    if (said.some((old) => !covers(positions, old)))
      await forgetMirrorProgress(clickhouse, unique, this.#call);
    await exchangeRebuildTable(clickhouse, table, this.#call);
    const steps = positions.map((at) => ({ ...at, fromOffset: null }));
    await insertMirrorProgress(clickhouse, steps, now(), this.#call);
  }
}

function covers(positions: readonly MirrorPosition[], old: MirrorPosition): boolean {
  return positions.some(
    (at) => at.source === old.source && at.partition === old.partition && at.nextOffset >= old.nextOffset,
  );
}
