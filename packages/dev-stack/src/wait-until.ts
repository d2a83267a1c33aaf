import { setTimeout as delay } from 'node:timers/promises';

export interface WaitOptions {
  /** Named in the error: "… not within 30 s". */
  what: string;
  timeoutMs: number;
  intervalMs?: number;
  /** Checked before each attempt; a returned error ends the wait with it. */
  giveUp?: () => Error | undefined;
}

/** Repeats `attempt` until it no longer throws. The last failure is the cause of the deadline's error. */
export async function waitUntil<T>(attempt: () => Promise<T> | T, options: WaitOptions): Promise<T> {
  const deadlineMs = performance.now() + options.timeoutMs;
  for (;;) {
    const hopeless = options.giveUp?.();
    if (hopeless) throw hopeless;
    try {
      return await attempt();
    } catch (cause) {
      if (performance.now() >= deadlineMs) {
        const last = cause instanceof Error ? cause.message : String(cause);
        throw new Error(`${options.what}: not within ${options.timeoutMs / 1000} s (${last})`, { cause });
      }
    }
    await delay(options.intervalMs ?? 100);
  }
}
