/** What becomes of an event that `add` could not deliver: counted always, told about within bounds. */
import type { Logger } from 'pino';
import type { MeterError } from './errors.ts';

export type OnRefused = (error: MeterError) => void;

/** Reports without ever throwing into the caller of `add`. */
export function createReporter(
  logger: Logger,
  onRefused: OnRefused | undefined,
): (error: MeterError) => void {
  const counts = new Map<string, number>();
  let reporting = false;
  return (error) => {
    const kind = error.reason ?? error.code;
    const count = (counts.get(kind) ?? 0) + 1;
    counts.set(kind, count);
    if (isPowerOfTwo(count))
      logger.warn({ code: error.code, reason: error.reason, field: error.field, count }, error.message);
    // A callback that adds an event which is refused again would never end.
    if (onRefused === undefined || reporting) return;
    reporting = true;
    try {
      onRefused(error);
    } catch (thrown) {
      if (isPowerOfTwo(count)) logger.warn({ err: thrown }, 'onRefused threw');
    } finally {
      reporting = false;
    }
  };
}

/** For logging the 1st, 2nd, 4th, 8th … of many. */
export function isPowerOfTwo(count: number): boolean {
  return Number.isInteger(Math.log2(count));
}
