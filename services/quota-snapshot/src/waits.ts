import { once } from 'node:events';
import { pause } from '@meterhouse/runtime';

/** Resolves when the signal is aborted; `over` ends the wait. */
export async function aborted(signal: AbortSignal, over: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort', { signal: over }).catch(ignore);
}

/** Asks anew: the compiler takes what it saw before an await for granted. */
export function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** A wait that can be cut short. */
export class Alarm {
  #ring: () => void = ignore;

  ring(): void {
    this.#ring();
  }

  /** Resolves after a while, when `ring` is called, or when the signal is aborted. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const end = (): void => over.abort();
    this.#ring = end;
    if (signal.aborted) end();
    signal.addEventListener('abort', end, { once: true });
    await pause(ms, over.signal);
    signal.removeEventListener('abort', end);
  }
}

/** For rejections that are told elsewhere, or that only say that a wait was cut short. */
export function ignore(): void {
  return undefined;
}
