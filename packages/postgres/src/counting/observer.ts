/** What counting tells whoever watches it. Called between two awaits: it must be quick and not throw. */
import type { CountResult } from './count-run.ts';

export interface ObservedFlush {
  readonly source: string;
  readonly partition: number;
  /** Records of the run. */
  readonly records: number;
  readonly durationMs: number;
  readonly isReplay: boolean;
  readonly result: CountResult;
}

export interface CountingObserver {
  readonly flushed: (flush: ObservedFlush) => void;
  /** An attempt failed and is made again. */
  readonly retried: () => void;
}

export const UNOBSERVED: CountingObserver = { flushed: () => undefined, retried: () => undefined };
