/**
 * Usage of the current periods in memory: loaded from Postgres at one consistent point, then kept up
 * to date by the tailer of the change log, and made anew when the tenants' tree changes.
 *
 * Loading again while the tailer stays where it was is harmless: what it brings once more has a
 * revision that is known.
 */
import {
  atOnePoint,
  inTransaction,
  loadRegistry,
  readProgress,
  registryChangesSince,
  type ChangeBatch,
  type ChangedBucket,
  type ConsistentPoint,
  type Pool,
} from '@meterhouse/postgres';
import type { Logger } from '@meterhouse/runtime';
import type { PendingSnapshots } from './pending-snapshots.ts';
import { UsageTable } from './usage-table.ts';
import { Watermarks } from './watermarks.ts';

export interface CurrentUsageOptions {
  readonly pool: Pool;
  /** The topic whose partitions' watermarks make the as-of. */
  readonly eventsTopic: string;
  /** How many partitions that topic has; Infinity while that is not known. */
  readonly partitions: () => number;
  readonly pending: PendingSnapshots;
  readonly maxBuckets: number;
  readonly logger: Logger;
  /** Epoch ms. */
  readonly now: () => number;
}

/** How far the wall clock may step back before the periods are taken from it anew. */
const CLOCK_STEP_MS = 60_000;

export class CurrentUsage {
  readonly #options: CurrentUsageOptions;
  #state: { readonly table: UsageTable; readonly watermarks: Watermarks } | null = null;
  /** What changes the state runs one after the other. */
  #last: Promise<unknown> = Promise.resolve();
  #unregistered = 0;
  /** Version of the registry whose documents are marked. */
  #published = 0n;

  constructor(options: CurrentUsageOptions) {
    this.#options = options;
  }

  get table(): UsageTable {
    return this.#loaded().table;
  }

  /** Changed buckets left out because their tenant or metric is in no registry; never by our own doing. */
  get unregistered(): number {
    return this.#unregistered;
  }

  asOf(): number {
    return this.#loaded().watermarks.asOf();
  }

  /** Replaces everything by what the point says. */
  load(point: ConsistentPoint): Promise<void> {
    return this.#alone(() => this.#load(point));
  }

  /** Takes in what changed. */
  apply(batch: ChangeBatch): Promise<void> {
    return this.#alone(async () => {
      const { table } = this;
      const unregistered = batch.changes.filter((change) => table.apply(change) === 'unregistered');
      if (unregistered.length > 0) await this.#applyRegistered(unregistered);
      const { watermarks } = this.#loaded();
      for (const at of batch.positions) {
        watermarks.held(at.source, at.partition, at.nextOffset);
        watermarks.counted({ ...at, processedThrough: at.completeThrough });
      }
      this.#options.pending.mark(this.table.takeTouched());
    });
  }

  /**
   * Looks at what may change without a change of usage: watermarks of idle partitions, the registry,
   * the clock.
   */
  refresh(): Promise<void> {
    return this.#alone(async () => {
      const { pool, now, logger } = this.#options;
      if (now() < this.table.start('hour') - CLOCK_STEP_MS) {
        logger.warn({ now: now(), hour: this.table.start('hour') }, 'the clock has been set back');
        await this.#reload();
      }
      await this.#refreshRegistry();
      const { watermarks } = this.#loaded();
      for (const at of await inTransaction(pool, readProgress)) watermarks.counted(at);
    });
  }

  async #load(point: ConsistentPoint): Promise<void> {
    const { pool, eventsTopic, partitions, maxBuckets, pending, now } = this.#options;
    const watermarks = new Watermarks(eventsTopic, partitions);
    for (const at of point.progress) {
      watermarks.held(at.source, at.partition, at.nextOffset);
      watermarks.counted(at);
    }
    // Read after the point was taken, so it knows every tenant and metric that the point does.
    const registry = await loadRegistry(pool);
    const table = new UsageTable(registry, Math.max(now(), watermarks.asOf()), { maxBuckets });
    for await (const page of point.buckets({ fromHour: table.start('month') }))
      for (const bucket of page) if (table.apply(bucket) === 'unregistered') this.#leaveOut(bucket);
    const changes = await registryChangesSince(pool, 0n);
    this.#published = changes.version;
    pending.markRegistry(changes.documents, changes.version);
    this.#state = { table, watermarks };
    table.takeTouched();
    // The whole state, and whatever readers have that is in it no longer.
    pending.markPublished();
    pending.mark(table.keys());
  }

  async #reload(): Promise<void> {
    await atOnePoint(this.#options.pool, (point) => this.#load(point));
  }

  /** Buckets of tenants or metrics that were registered after the registry was read. */
  async #applyRegistered(buckets: readonly ChangedBucket[]): Promise<void> {
    await this.#refreshRegistry();
    for (const bucket of buckets) if (this.table.apply(bucket) === 'unregistered') this.#leaveOut(bucket);
  }

  async #refreshRegistry(): Promise<void> {
    const { pool, pending, logger } = this.#options;
    const found = await pool.query<{ version: string }>(
      'SELECT version::text FROM meterhouse.registry_version',
    );
    if (BigInt(found.rows[0]?.version ?? 0) <= this.table.registryVersion) return;
    const changes = await registryChangesSince(pool, this.#published);
    this.#published = changes.version;
    pending.markRegistry(changes.documents, changes.version);
    const registry = await loadRegistry(pool);
    if (this.table.adopt(registry) === 'adopted') return;
    logger.info(
      { version: registry.version.toString() },
      'the tree of tenants has changed: loading usage anew',
    );
    await this.#reload();
  }

  /** Flushes only count what is registered, and nothing is ever removed from the registry. */
  #leaveOut(bucket: ChangedBucket): void {
    this.#unregistered += 1;
    if (this.#unregistered === 1)
      this.#options.logger.error(
        { tenantId: bucket.tenantId, metric: bucket.metric },
        'a bucket of a tenant or metric that is not registered is left out; further ones are only counted',
      );
  }

  #loaded(): { readonly table: UsageTable; readonly watermarks: Watermarks } {
    if (this.#state === null) throw new Error('usage was asked for before it was loaded');
    return this.#state;
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }
}
