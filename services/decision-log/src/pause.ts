import { setTimeout as delay } from 'node:timers/promises';

/** Resolves after a while, or as soon as the signal is aborted. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(ignore);
}

/** Asks anew: the compiler takes what it saw before an await for granted. */
export function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** For rejections that are told elsewhere, or that only say that a wait was cut short. */
export function ignore(): void {
  return undefined;
}
