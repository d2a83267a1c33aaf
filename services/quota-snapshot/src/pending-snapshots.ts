/**
 * What is to be published, and in which order readers may believe it. Pure.
 *
 * Terminology. A *pending* key is one whose usage readers may not have; its value is read when it is
 * taken, so any number of changes in between cost one message, and waiting messages are bounded by
 * the number of keys. A *round* is the keys that were pending at one instant: once they are all
 * published, everything as of that instant is, and only then a heartbeat may say so.
 */
import type { UsageSnapshot } from '@meterhouse/kafka';
import type { StoredDocument } from '@meterhouse/postgres';
import { keyOf } from '@meterhouse/quota';
import type { Span } from '@meterhouse/usage/calendar';
import { PendingDocuments, type TakenDocuments } from './pending-documents.ts';
import type { UsageKey } from './usage-table.ts';

/** What readers have of a key. */
interface Published extends UsageKey {
  readonly used: string;
  readonly span: Span;
}

/** Messages to publish at once, all or nothing. */
export interface SnapshotBatch {
  readonly messages: readonly UsageSnapshot[];
  /** What readers have once it is published. */
  readonly entries: readonly Published[];
  readonly registry: TakenDocuments;
  /** Epoch ms: everything as of then is published once this batch is; null while a round is under way. */
  readonly completeThrough: number | null;
}

/** The usage that is now known. */
export interface CurrentUsage {
  used(key: UsageKey): string;
  /** The current period of the key. */
  span(key: UsageKey): Span;
}

export interface TakeOptions {
  /** Documents, and usage messages, at most. */
  readonly maxMessages: number;
  /** Epoch ms through which `usage` is complete. */
  readonly asOf: number;
  /** Epoch ms. */
  readonly now: number;
  /** Whether to add a heartbeat if a round ends with this batch. */
  readonly heartbeat: boolean;
}

export class PendingSnapshots {
  readonly #epoch: number;
  #sequence = 0;
  readonly #pending = new Map<string, UsageKey>();
  readonly #published = new Map<string, Published>();
  readonly #documents = new PendingDocuments();
  #round: { asOf: number; left: number } | null = null;

  /** @param epoch the publisher's fencing number, above those of all publishers before */
  constructor(epoch: number) {
    this.#epoch = epoch;
  }

  /** Keys and documents that wait. */
  get size(): number {
    return this.#pending.size + this.#documents.size;
  }

  /** Whether the last batch left keys of its round. */
  get inRound(): boolean {
    return this.#round !== null;
  }

  /** Keys of which readers have usage. */
  get publishedKeys(): number {
    return this.#published.size;
  }

  /** Number of the last message. */
  get sequence(): number {
    return this.#sequence;
  }

  mark(keys: Iterable<UsageKey>): void {
    for (const { tenantId, metric, period } of keys)
      this.#pending.set(keyOf(tenantId, metric, period), { tenantId, metric, period });
  }

  /** Documents that readers may not have; with them the registry is at the version. */
  markRegistry(documents: readonly StoredDocument[], version: bigint): void {
    this.#documents.mark(documents, version);
  }

  /** Marks whatever readers have an old period's usage of: the new period starts at 0. */
  markBegun(usage: CurrentUsage): void {
    for (const published of this.#published.values())
      if (usage.span(published).start !== published.span.start) this.mark([published]);
  }

  /** Marks everything that readers have, because it may all be different now. */
  markPublished(): void {
    this.mark(this.#published.values());
  }

  /** The next messages; what readers have already is left out, so there may be none. */
  take(usage: CurrentUsage, options: TakeOptions): SnapshotBatch {
    const { asOf, now: publishedAt } = options;
    this.#round ??= { asOf, left: this.#pending.size };
    const registry = this.#documents.take(options.maxMessages);
    const messages: UsageSnapshot[] = registry.messages.map((message) => ({
      ...this.#stamp(asOf, publishedAt),
      ...message,
    }));
    const entries: Published[] = [];
    for (const [text, key] of this.#pending) {
      if (messages.length >= options.maxMessages) break;
      this.#pending.delete(text);
      this.#round.left -= 1;
      const entry = { ...key, used: usage.used(key), span: usage.span(key) };
      const before = this.#published.get(text);
      if (before !== undefined && sameUsage(before, entry)) continue;
      entries.push(entry);
      messages.push(usageMessage(entry, this.#stamp(asOf, publishedAt)));
    }
    // Keys keep their place while they wait, so those of the round come before any marked since.
    const completeThrough = this.#round.left <= 0 ? this.#round.asOf : null;
    if (completeThrough !== null) {
      this.#round = null;
      if (options.heartbeat)
        messages.push({ kind: 'heartbeat', ...this.#stamp(completeThrough, publishedAt) });
    }
    return { messages, entries, registry, completeThrough };
  }

  /** The batch is published. */
  published(batch: SnapshotBatch): void {
    for (const entry of batch.entries)
      this.#published.set(keyOf(entry.tenantId, entry.metric, entry.period), entry);
  }

  /** Nobody knows whether the batch is published: its keys are published again, with higher numbers. */
  uncertain(batch: SnapshotBatch): void {
    for (const entry of batch.entries)
      this.#published.delete(keyOf(entry.tenantId, entry.metric, entry.period));
    this.mark(batch.entries);
    this.#documents.uncertain(batch.registry);
    this.#round = null;
  }

  #stamp(
    asOf: number,
    publishedAt: number,
  ): { epoch: number; sequence: number; asOf: number; publishedAt: number } {
    this.#sequence += 1;
    return { epoch: this.#epoch, sequence: this.#sequence, asOf, publishedAt };
  }
}

function sameUsage(one: Published, other: Published): boolean {
  return one.used === other.used && one.span.start === other.span.start && one.span.end === other.span.end;
}

function usageMessage(
  { tenantId, metric, period, used, span: { start, end } }: Published,
  stamp: Pick<UsageSnapshot, 'epoch' | 'sequence' | 'asOf' | 'publishedAt'>,
): UsageSnapshot {
  const periodEnd = end === Infinity ? null : end;
  return { kind: 'usage', ...stamp, tenantId, metric, period, periodStart: start, periodEnd, used };
}
