/** Asking for usage: what a caller may write, what an adapter is asked, and the answer. */

export interface UsageQuestionInput {
  /** Default: the tenant of the context. */
  readonly tenantId?: string | undefined;
  readonly metric: string;
  /** First hour: a Date, RFC 3339 with a zone, or epoch milliseconds; on the hour. */
  readonly from: Date | string | number;
  /** Not included; on the hour. */
  readonly to: Date | string | number;
  /** Whether the usage of every tenant below it counts as well; default false. */
  readonly descendants?: boolean | undefined;
}

/** What an adapter is asked: checked, nothing left out. */
export interface AskedUsage {
  readonly tenantId: string;
  readonly metric: string;
  /** Epoch ms, on the hour: from is in, to is not. */
  readonly from: number;
  readonly to: number;
  readonly descendants: boolean;
}

/** Where a number comes from. `nothing`: nobody counts. */
export type UsageOrigin = 'postgres' | 'api' | 'nothing';

/** What an adapter answers. */
export interface UsageReading {
  /** Exact decimal, by the metric's aggregation; `0` where there is no usage. */
  readonly value: string;
  /** Null: not known. */
  readonly unit: string | null;
  readonly origin: UsageOrigin;
  /**
   * Every event that its receiver had before this instant is in the number, or in quarantine; epoch ms.
   * Null: not known, or nobody counts.
   */
  readonly completeThrough: number | null;
}

export interface Usage extends AskedUsage, UsageReading {
  readonly asOf: UsageAsOf;
}

export interface UsageAsOf {
  /** RFC 3339 in UTC; see UsageReading. */
  readonly completeThrough: string | null;
  /** How long ago the origin was asked, in ms; never less than the truth. 0: for this answer. */
  readonly ageMs: number;
  readonly origin: UsageOrigin;
  /**
   * How the cache had to do with it: `hit`, in `memory` or `redis`; `miss`: the origin was asked;
   * `unavailable`: the cache could not be asked, so the origin was; `off`: there is none.
   */
  readonly cache: 'memory' | 'redis' | 'miss' | 'unavailable' | 'off';
}
