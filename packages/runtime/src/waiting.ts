import { setTimeout as delay } from 'node:timers/promises';

/** A deadline passed before the condition held. */
export class DeadlineError extends Error {
  constructor(what: string, deadlineMs: number, cause?: unknown) {
    super(`waited ${deadlineMs} ms for ${what}`, { cause });
    this.name = 'DeadlineError';
  }
}

/**
 * Asks again until the answer is not undefined.
 * @throws DeadlineError naming what was waited for, with the last error of asking as its cause
 */
export async function waitFor<T>(
  what: string,
  ask: () => Promise<T | undefined> | T | undefined,
  options: { deadlineMs: number; everyMs?: number; retryErrors?: boolean },
): Promise<T> {
  const until = performance.now() + options.deadlineMs;
  let lastError: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch (error) {
      if (options.retryErrors !== true) throw error;
      lastError = error;
    }
    if (performance.now() >= until) throw new DeadlineError(what, options.deadlineMs, lastError);
    await delay(options.everyMs ?? 50);
  }
}

/** Resolves after a while, or as soon as the signal is aborted. Never rejects. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });
}

/** Asks anew: the compiler takes what it saw before an await for granted. */
export function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** For rejections that are told elsewhere, or that only say that a wait was cut short. */
export function ignore(): void {
  return undefined;
}
