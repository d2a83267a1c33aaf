/** Asks for the pipeline's stand again and again, also while a store is away. */
import { pause } from '@meterhouse/runtime';
import { notThrough, type PipelineStand } from './pipeline-stand.ts';

export interface PipelineWatch {
  /** The last stand that could be had; null before the first. */
  readonly stand: PipelineStand | null;
  /** Why there is no newer one; null when the last question was answered. */
  readonly problem: string | null;
  /**
   * Resolves with the first stand in which everything that the broker had before `instant` has come
   * all the way.
   * @throws StuckError when nothing has moved for `patienceMs`
   */
  waitThrough(instant: number, patienceMs: number): Promise<PipelineStand>;
  stop(): Promise<void>;
}

/** The pipeline does not go on by itself. */
export class StuckError extends Error {
  override name = 'StuckError';
}

export function watchPipeline(
  read: () => Promise<PipelineStand>,
  options: { readonly everyMs: number; readonly signal: AbortSignal; readonly onLook?: () => void },
): PipelineWatch {
  const stopping = new AbortController();
  const signal = AbortSignal.any([stopping.signal, options.signal]);
  let stand: PipelineStand | null = null;
  let problem: string | null = null;

  const watch = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        stand = await read();
        problem = null;
      } catch (error) {
        // A store that is being started again; the person sees it, and whoever waits has a deadline.
        problem = error instanceof Error ? error.message : String(error);
      }
      options.onLook?.();
      await pause(options.everyMs, signal);
    }
  };
  const done = watch();

  return {
    get stand() {
      return stand;
    },
    get problem() {
      return problem;
    },
    waitThrough: async (instant, patienceMs) => {
      let movedAt = performance.now();
      let before = '';
      for (;;) {
        signal.throwIfAborted();
        const missing = stand === null ? 'nothing is known of the pipeline yet' : notThrough(stand, instant);
        if (stand !== null && missing === null) return stand;
        const now = standKey(stand);
        if (now !== before) movedAt = performance.now();
        before = now;
        if (performance.now() - movedAt > patienceMs)
          throw new StuckError(`${missing ?? ''}${problem === null ? '' : ` (${problem})`}`);
        await pause(50, signal);
      }
    },
    stop: async () => {
      stopping.abort();
      await done;
    },
  };
}

/** What moves while the pipeline works. */
function standKey(stand: PipelineStand | null): string {
  if (stand === null) return '';
  const { processed, processedThrough, mirrorThrough, snapshotsThrough } = stand;
  return [processed, processedThrough, mirrorThrough, snapshotsThrough].join();
}
