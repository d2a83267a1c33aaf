/**
 * Passes a batch of changed buckets on to ClickHouse.
 *
 * Rows first, then what ClickHouse says of itself (mirror_progress), then the cursors in Postgres. So
 * ClickHouse always holds at least what its own progress says, and its progress says at least what
 * the cursors say. Where that does not hold, one of the two stores has lost data:
 * - ClickHouse below the cursors: it was wiped, or restored from a backup.
 * - ClickHouse above what Postgres has counted: Postgres was restored, and its next revisions would
 *   lose against those that ClickHouse holds.
 * Both end in a rebuild.
 */
import { setTimeout as delay } from 'node:timers/promises';
import {
  forgetMirrorProgress,
  highestRevisions,
  insertBuckets,
  insertMirrorProgress,
  migrateClickHouse,
  readMirrorProgress,
  rebuildClickHouse,
  type ClickHouse,
  type MirrorStep,
} from '@meterhouse/clickhouse';
import {
  CLICKHOUSE_MIRROR,
  cursorKey,
  cursorsOf,
  inTransaction,
  mirrorRebuildSource,
  partitionsBelow,
  readTailer,
  type ChangeBatch,
  type Cursors,
  type Pool,
  type ResyncReason,
} from '@meterhouse/postgres';
import type { Logger } from '@meterhouse/runtime';

export interface MirroringDeps {
  readonly pool: Pool;
  readonly clickhouse: ClickHouse;
  readonly logger: Logger;
  /** Epoch ms. */
  readonly now: () => number;
  /** A new UUID. */
  readonly unique: () => string;
}

/** How often ClickHouse hears that it is complete through a later instant when no bucket changed. */
const IDLE_PROGRESS_MS = 2_000;
/** A replica that lags behind must not look like one that lost data. */
const LOOKS_AT_A_LOSS = 3;
const LOOK_AGAIN_MS = 500;
/** How often a rebuild that takes long is heard of. */
const REBUILD_LOG_MS = 10_000;

export class Mirroring {
  readonly #deps: MirroringDeps;
  #schemaChecked = false;
  /** ClickHouse's own word on how far it is, and the cursors, both from before the batch. */
  #said: Cursors = new Map();
  #cursors: Cursors = new Map();
  #saidAt = 0;

  constructor(deps: MirroringDeps) {
    this.#deps = deps;
  }

  /** @returns why ClickHouse has to be made again, null when it holds what the cursors say */
  async verify(cursors: Cursors, batch: ChangeBatch, signal: AbortSignal): Promise<ResyncReason | null> {
    const { clickhouse, logger } = this.#deps;
    try {
      await this.#migrate(signal);
      for (let look = 1; ; look++) {
        this.#said = cursorsOf(await readMirrorProgress(clickhouse, { signal }));
        const lost = await this.#loss(cursors, batch);
        if (lost === null) {
          this.#cursors = cursors;
          return null;
        }
        if (look === LOOKS_AT_A_LOSS) {
          logger.error(lost, 'ClickHouse does not hold what was written to it: rebuilding it from Postgres');
          return lost.reason;
        }
        await delay(LOOK_AGAIN_MS, undefined, { signal });
      }
    } catch (error) {
      // Whatever ClickHouse comes back as, it may be another one.
      this.#schemaChecked = false;
      throw error;
    }
  }

  async #loss(
    cursors: Cursors,
    batch: ChangeBatch,
  ): Promise<{ reason: ResyncReason; partitions: readonly string[] } | null> {
    const behind = Array.from(cursors)
      .filter(([key, at]) => (this.#said.get(key)?.nextOffset ?? -1n) < at.nextOffset)
      .map(([key]) => key);
    if (behind.length > 0) return { reason: 'store_lost_data', partitions: behind };
    const counted = new Map(
      batch.positions.map((at) => [cursorKey(at.source, at.partition), at.progressOffset]),
    );
    const isAhead = Array.from(this.#said).some(([key, at]) => at.nextOffset > (counted.get(key) ?? -1n));
    if (!isAhead) return null;
    // Another mirror may have gone on since the batch was read; Postgres read now settles it.
    const partitions = await partitionsBelow(this.#deps.pool, this.#said);
    return partitions.length > 0 ? { reason: 'rewound', partitions } : null;
  }

  /** Writing it again changes nothing: values are absolute and the highest revision is shown. */
  async apply(batch: ChangeBatch, signal: AbortSignal): Promise<void> {
    const { clickhouse, now } = this.#deps;
    try {
      await insertBuckets(clickhouse, highestRevisions(batch.changes), { signal });
      const moved = batch.positions.some(
        (at) => (this.#said.get(cursorKey(at.source, at.partition))?.nextOffset ?? -1n) < at.nextOffset,
      );
      if (!moved && now() - this.#saidAt < IDLE_PROGRESS_MS) return;
      await insertMirrorProgress(clickhouse, this.#steps(batch), now(), { signal });
      this.#saidAt = now();
    } catch (error) {
      this.#schemaChecked = false;
      throw error;
    }
  }

  #steps(batch: ChangeBatch): MirrorStep[] {
    return batch.positions.map((at) => ({
      ...at,
      fromOffset: this.#cursors.get(cursorKey(at.source, at.partition))?.nextOffset ?? null,
    }));
  }

  async resync(reason: ResyncReason, signal: AbortSignal): Promise<void> {
    const { pool, clickhouse, logger, now, unique } = this.#deps;
    const before = await this.#stand();
    if (reason === 'rewound') {
      // What it says of itself is not true of this Postgres: better to promise nothing meanwhile.
      await this.#migrate(signal);
      await forgetMirrorProgress(clickhouse, unique(), { signal });
    }
    let loggedAt = now();
    const done = await rebuildClickHouse({
      clickhouse,
      source: mirrorRebuildSource(pool),
      unique: unique(),
      now,
      signal,
      isStillNeeded: async () => {
        const stand = await this.#stand();
        return stand?.resyncRequested !== false || stand.version === before?.version;
      },
      onProgress: (progress) => {
        if (now() - loggedAt < REBUILD_LOG_MS) return;
        loggedAt = now();
        logger.info(progress, 'rebuilding ClickHouse');
      },
    });
    this.#schemaChecked = true;
    logger.info({ reason, buckets: done.buckets, changes: done.changes }, 'ClickHouse rebuilt from Postgres');
  }

  #stand(): ReturnType<typeof readTailer> {
    return inTransaction(this.#deps.pool, (client) => readTailer(client, CLICKHOUSE_MIRROR));
  }

  async #migrate(signal: AbortSignal): Promise<void> {
    if (this.#schemaChecked) return;
    const { pool, clickhouse, logger } = this.#deps;
    const ran = await mirrorRebuildSource(pool).migrating(
      () => migrateClickHouse(clickhouse, { signal }),
      signal,
    );
    if (ran.length > 0) logger.info({ database: clickhouse.database, ran }, 'ClickHouse migrated');
    this.#schemaChecked = true;
  }
}
