/** Buckets of both sides under one key. */
import { HOUR_MS } from '@meterhouse/usage';
import { addEventTo, firstOf, type BucketSums, type Counted } from './sums.ts';

export interface BucketKey {
  readonly tenantId: string;
  readonly metric: string;
  /** Epoch ms. */
  readonly hour: number;
  /** JSON with sorted keys. */
  readonly attrsKey: string;
}

export interface BucketPair {
  readonly key: BucketKey;
  kafka: BucketSums | null;
  postgres: BucketSums | null;
  /** Events that were counted directly: Kafka need not have them. */
  direct: bigint;
}

export class TooManyBucketsError extends Error {
  override name = 'TooManyBucketsError';
}

export class BucketLedger {
  readonly #pairs = new Map<string, BucketPair>();
  readonly #maxBuckets: number;

  constructor(bounds: { readonly maxBuckets: number }) {
    this.#maxBuckets = bounds.maxBuckets;
  }

  get size(): number {
    return this.#pairs.size;
  }

  values(): Iterable<BucketPair> {
    return this.#pairs.values();
  }

  setPostgres(key: BucketKey, sums: BucketSums): void {
    this.#pair(key).postgres = sums;
  }

  setDirect(key: BucketKey, events: bigint): void {
    this.#pair(key).direct = events;
  }

  addKafka(key: BucketKey, event: Counted): void {
    const pair = this.#pair(key);
    if (pair.kafka === null) pair.kafka = firstOf(event);
    else addEventTo(pair.kafka, event);
  }

  #pair(key: BucketKey): BucketPair {
    const text = `${key.tenantId}\0${key.metric}\0${key.hour}\0${key.attrsKey}`;
    const known = this.#pairs.get(text);
    if (known !== undefined) return known;
    if (this.#pairs.size >= this.#maxBuckets)
      throw new TooManyBucketsError(`more than ${this.#maxBuckets} buckets`);
    const pair: BucketPair = { key, kafka: null, postgres: null, direct: 0n };
    this.#pairs.set(text, pair);
    return pair;
  }
}

/** The hour that an event belongs to, epoch ms. */
export function hourStart(ts: number): number {
  const into = ts % HOUR_MS;
  return ts - (into < 0 ? into + HOUR_MS : into);
}

/** The attributes that the metric is split by, in the text that Postgres' buckets are compared in. */
export function attrsKeyOf(groupBy: readonly string[], attrs: Readonly<Record<string, string>>): string {
  const names = groupBy.filter((name) => Object.hasOwn(attrs, name)).sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${JSON.stringify(attrs[name])}`).join(',')}}`;
}
