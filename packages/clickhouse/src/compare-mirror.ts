/** Finds where ClickHouse does not hold what Postgres holds, also while buckets move. */
import type { CallOptions, ClickHouse } from './client.ts';
import { differences, settle, type Difference } from './comparison.ts';
import { mirrorBucketsByKey, mirrorPages } from './usage-hourly.ts';
import { mirrorKeyText, type MirrorKey, type MirroredBucket } from './usage-hourly-row.ts';

export interface ComparisonSource {
  /** Every bucket of Postgres from an hour (epoch ms) on, in the order of (tenant, metric, hour). */
  pages(fromHour?: number): AsyncIterable<readonly MirroredBucket[]>;
  byKey(keys: readonly MirrorKey[]): Promise<readonly MirroredBucket[]>;
  /** Waits until the mirror has passed on what is counted now. False when it has not by the deadline. */
  mirrorCaughtUp(deadlineMs: number, signal: AbortSignal): Promise<boolean>;
}

export interface MirrorComparison {
  readonly postgresBuckets: number;
  readonly clickhouseBuckets: number;
  /** Buckets that differ: missing, too many, or with other numbers. */
  readonly different: number;
  /** The first of them, up to the bound that was asked for. */
  readonly listed: readonly Difference[];
  /** Buckets that changed each time they were looked at: neither the same nor different. */
  readonly moving: number;
  /** The mirror did not come up with Postgres in time, so some of the differences may only be late. */
  readonly mirrorBehind: boolean;
}

export interface CompareOptions {
  readonly clickhouse: ClickHouse;
  readonly source: ComparisonSource;
  /** Differences that are listed; all are counted. */
  readonly maxListed?: number;
  /** How long to wait for the mirror, each time that differences are looked at again. */
  readonly catchUpMs?: number;
  /** Epoch ms: only hours from then on are compared; all of them by default. */
  readonly fromHour?: number;
  readonly signal?: AbortSignal;
}

/** Differences looked at again together. */
const SUSPECTS = 500;
/** How often a bucket that keeps changing is looked at. */
const LOOKS = 10;

export async function compareMirror(options: CompareOptions): Promise<MirrorComparison> {
  const call = { signal: options.signal ?? new AbortController().signal };
  const counts = { postgresBuckets: 0, clickhouseBuckets: 0 };
  const found = { different: 0, listed: [] as Difference[], moving: 0, mirrorBehind: false };
  const settleAll = async (suspects: readonly Difference[]): Promise<void> => {
    const settled = await lookAgain(options, suspects, call);
    found.different += settled.different.length;
    found.moving += settled.moving;
    found.mirrorBehind ||= settled.mirrorBehind;
    const room = (options.maxListed ?? 100) - found.listed.length;
    found.listed.push(...settled.different.slice(0, Math.max(0, room)));
  };
  let suspects: Difference[] = [];
  for await (const suspect of differences(
    options.source.pages(options.fromHour),
    mirrorPages(options.clickhouse, { ...call, fromHour: options.fromHour ?? 0 }),
    counts,
  )) {
    suspects.push(suspect);
    if (suspects.length < SUSPECTS) continue;
    await settleAll(suspects);
    suspects = [];
  }
  if (suspects.length > 0) await settleAll(suspects);
  return { ...counts, ...found };
}

interface Settled {
  different: Difference[];
  moving: number;
  mirrorBehind: boolean;
}

/** The two sides were read at different moments: read them again, the mirror after it has caught up. */
async function lookAgain(
  { source, clickhouse, catchUpMs }: CompareOptions,
  suspects: readonly Difference[],
  call: CallOptions & { signal: AbortSignal },
): Promise<Settled> {
  const different: Difference[] = [];
  let open = suspects;
  for (let look = 0; look < LOOKS && open.length > 0; look++) {
    const keys = open.map((suspect) => suspect.key);
    const postgres = byKey(await source.byKey(keys));
    const caughtUp = await source.mirrorCaughtUp(catchUpMs ?? 30_000, call.signal);
    const mirror = byKey(await mirrorBucketsByKey(clickhouse, keys, call));
    const moving: Difference[] = [];
    for (const { key, clickhouse: before } of open) {
      const id = mirrorKeyText(key);
      const now = { key, postgres: postgres.get(id) ?? null, clickhouse: mirror.get(id) ?? null };
      const verdict = settle(before?.revision ?? 0n, now.postgres, now.clickhouse);
      if (verdict === 'different') different.push(now);
      if (verdict === 'moving') moving.push(now);
    }
    if (!caughtUp) return { different, moving: moving.length, mirrorBehind: true };
    open = moving;
  }
  return { different, moving: open.length, mirrorBehind: false };
}

function byKey(buckets: readonly MirroredBucket[]): Map<string, MirroredBucket> {
  return new Map(buckets.map((bucket) => [mirrorKeyText(bucket), bucket]));
}
