import { once } from 'node:events';
import { ignore, pause } from '@meterhouse/runtime';

/** Resolves when the signal is aborted; `over` ends the wait. */
export async function aborted(signal: AbortSignal, over: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort', { signal: over }).catch(ignore);
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
