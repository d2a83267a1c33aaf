/**
 * Where in time the passing of time is put. How long something lasted is told by the monotonic clock
 * alone; the wall clock says when. If it is set forward we follow; if it is set back we do not go back,
 * as the time there is billed already, and go on from where we were.
 */
export interface GaugeClocks {
  /** Epoch ms. */
  readonly wallMs: () => number;
  /** Milliseconds that only go up. */
  readonly monotonicMs: () => number;
}

export interface SteadyInstant {
  /** Epoch ms, never less than before. */
  readonly atMs: number;
  /** For durations. */
  readonly monotonicMs: number;
}

/** Less is the clocks' own unsteadiness. */
const JUMP_MS = 1_000;

export function createSteadyClock(clocks: GaugeClocks): () => SteadyInstant {
  let offsetMs = Math.floor(clocks.wallMs()) - Math.floor(clocks.monotonicMs());
  return () => {
    const monotonicMs = Math.floor(clocks.monotonicMs());
    const wallMs = Math.floor(clocks.wallMs());
    if (wallMs - (monotonicMs + offsetMs) > JUMP_MS) offsetMs = wallMs - monotonicMs;
    return { atMs: monotonicMs + offsetMs, monotonicMs };
  };
}
