/**
 * Usage of the current periods in memory: loaded from Postgres at one consistent point, then kept up
 * to date by the tailer of the change log, and made anew when the tenants' tree or a calendar changes.
 * Totals that a limit asks for are followed from the point at which they are asked for, and for as long
 * as this publisher leads: what readers have of one never stands still while they take it for current.
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
  usageBefore,
  type ChangeBatch,
  type ChangedBucket,
  type ConsistentPoint,
  type Pool,
  type StoredDocument,
} from '@meterhouse/postgres';
import type { Logger } from '@meterhouse/runtime';
import { AskedOfSnapshots, type AskedTotal } from './asked-of-snapshots.ts';
import type { PendingSnapshots } from './pending-snapshots.ts';
import { UsageTable, type PastKey } from './usage-table.ts';
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
/** Documents named in one line of the log. */
const MAX_NAMED = 10;

export class CurrentUsage {
  readonly #options: CurrentUsageOptions;
  #state: { readonly table: UsageTable; readonly watermarks: Watermarks } | null = null;
  /** What changes the state runs one after the other. */
  #last: Promise<unknown> = Promise.resolve();
  readonly #asked = new AskedOfSnapshots();
  /** Every total that was asked for since this publisher leads, by its key. */
  readonly #totals = new Map<string, AskedTotal>();
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
      const unregistered = await this.#applyBuckets(batch.changes);
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
      if (now() < this.table.hour - CLOCK_STEP_MS) {
        logger.warn({ now: now(), hour: this.table.hour }, 'the clock has been set back');
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
    const changes = await registryChangesSince(pool, 0n);
    this.#ask(changes.documents);
    const table = new UsageTable(registry, Math.max(now(), watermarks.asOf()), {
      maxBuckets,
      calendarOf: (root) => this.#asked.calendarOf(root),
    });
    const totals = table.follow(this.#totals.values());
    for await (const page of point.buckets({ fromHour: table.earliestHour }))
      for (const bucket of page) if (table.apply(bucket) === 'unregistered') this.#leaveOut(bucket);
    for await (const page of point.usageBefore(totals)) for (const past of page) table.applyPast(past);
    table.joined();
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

  /** @returns those of tenants or metrics that the table's registry lacks */
  async #applyBuckets(buckets: readonly ChangedBucket[]): Promise<readonly ChangedBucket[]> {
    const { table } = this;
    const unregistered: ChangedBucket[] = [];
    const late = new Map<string, ChangedBucket>();
    for (const bucket of buckets) {
      const outcome = table.apply(bucket);
      if (outcome === 'unregistered') unregistered.push(bucket);
      if (outcome === 'past_of_total') late.set(`${bucket.tenantId}|${bucket.metric}`, bucket);
    }
    await this.#readPast([...late.values()]);
    return unregistered;
  }

  /** Reads again what totals hold as one sum, for those of which a late event has changed it. */
  async #readPast(late: readonly ChangedBucket[]): Promise<void> {
    const { table } = this;
    for (let waiting = late; waiting.length > 0;) {
      const asked = waiting.flatMap((bucket) => table.pastKeyOf(bucket) ?? []);
      const again = new Set<string>();
      await inTransaction(this.#options.pool, async (client) => {
        for await (const page of usageBefore(client, asked))
          for (const past of page)
            if (table.applyPast(past) === 'past_of_total') again.add(`${past.tenantId}|${past.metric}`);
      });
      // A month has begun meanwhile.
      waiting = waiting.filter(({ tenantId, metric }) => again.has(`${tenantId}|${metric}`));
    }
  }

  /** Buckets of tenants or metrics that were registered after the registry was read. */
  async #applyRegistered(buckets: readonly ChangedBucket[]): Promise<void> {
    await this.#refreshRegistry();
    for (const bucket of await this.#applyBuckets(buckets)) this.#leaveOut(bucket);
  }

  /** What a limit asks for is there before readers hear of the limit. */
  async #refreshRegistry(): Promise<void> {
    const { pool, pending, logger } = this.#options;
    const found = await pool.query<{ version: string }>(
      'SELECT version::text FROM meterhouse.registry_version',
    );
    const version = BigInt(found.rows[0]?.version ?? 0);
    if (version <= this.table.registryVersion && version <= this.#published) return;
    const changes = await registryChangesSince(pool, this.#published);
    this.#ask(changes.documents);
    const registry = await loadRegistry(pool);
    if (this.table.adopt(registry) === 'moved') {
      logger.info(
        { version: registry.version.toString() },
        'the tree of tenants or a calendar has changed: loading usage anew',
      );
      await this.#reload();
      return;
    }
    await this.#follow();
    pending.markRegistry(changes.documents, changes.version);
    this.#published = changes.version;
  }

  #ask(documents: readonly StoredDocument[]): void {
    const unreadable = this.#asked.take(documents);
    if (unreadable.length > 0)
      this.#options.logger.error(
        {
          documents: unreadable.map(({ kind, id }) => `${kind} ${id}`).slice(0, MAX_NAMED),
          count: unreadable.length,
        },
        'documents of a newer release: their tenants are published by the calendars and totals known before',
      );
    for (const total of this.#asked.totals()) this.#totals.set(`${total.tenantId}|${total.metric}`, total);
  }

  async #follow(): Promise<void> {
    const { table } = this;
    const asked: readonly PastKey[] = table.follow(this.#totals.values());
    if (asked.length === 0) return;
    try {
      await atOnePoint(this.#options.pool, async (point) => {
        for await (const page of point.bucketsSince(asked)) for (const bucket of page) table.apply(bucket);
        for await (const page of point.usageBefore(asked)) for (const past of page) table.applyPast(past);
      });
    } catch (error) {
      table.left();
      throw error;
    }
    table.joined();
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
