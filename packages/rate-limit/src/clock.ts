/** Both clocks of this process: the first can be set, the second only goes on. */
export interface Clock {
  /** Epoch ms. */
  readonly wallMs: () => number;
  /** Milliseconds since some fixed instant of this process. */
  readonly monotonicMs: () => number;
}

export const systemClock: Clock = { wallMs: () => Date.now(), monotonicMs: () => performance.now() };
