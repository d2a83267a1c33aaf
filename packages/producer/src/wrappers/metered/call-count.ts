/** How a call ended. `returned`: with a result, or all items; `stopped`: the consumer wanted no more; `threw`. */
export type CallEnd = 'returned' | 'stopped' | 'threw';

/** The counting of one call: what was delivered, and how it ended. `ended` may be called again; the first counts. */
export interface CallCount {
  delivered(item: unknown): void;
  ended(end: CallEnd, result: unknown): void;
}
