/** What a wrapper could not meter: counted always, told within bounds, never thrown at the caller. */
import { isPowerOfTwo } from '../reporting.ts';
import type { WarningLogger, WrapperOptions, WrapperProblem, WrapperProblemKind } from './port.ts';
import type { UsageEventInput } from '../event-input.ts';
import { eventsOf, type SummableUsage } from '../sums/summable.ts';

export type ProblemCounts = Readonly<Record<WrapperProblemKind, number>>;

export interface Problems {
  report(kind: WrapperProblemKind, detail: string, cause?: unknown): void;
  counts(): ProblemCounts;
}

/** Without a logger and without `onProblem` nobody would learn of it: then Node prints the warning. */
const processWarnings: WarningLogger = {
  warn: (_details, message) => process.emitWarning(message, { type: 'MeterhouseWarning' }),
};

export function createProblems(boundary: string, options: Omit<WrapperOptions, 'meter'>): Problems {
  const counts: Record<WrapperProblemKind, number> = {
    no_tenant: 0,
    function_failed: 0,
    not_taken: 0,
    too_many_routes: 0,
    no_identity: 0,
    not_acknowledged: 0,
    no_usage: 0,
    time_not_billed: 0,
  };
  const { onProblem } = options;
  const logger = options.logger ?? (onProblem === undefined ? processWarnings : null);
  const warn = (kind: WrapperProblemKind, detail: string, cause: unknown): void => {
    const count = counts[kind];
    if (isPowerOfTwo(count))
      logger?.warn({ boundary, kind, count, err: cause }, `${boundary}: ${detail} (${count} times so far)`);
  };
  return {
    report: (kind, detail, cause) => {
      counts[kind] += 1;
      try {
        warn(kind, detail, cause);
        onProblem?.(problemOf(kind, detail, cause));
      } catch {
        // The caller's own way of being told is broken; that it threw is all there is left to count.
        counts.function_failed += 1;
      }
    },
    counts: () => ({ ...counts }),
  };
}

function problemOf(kind: WrapperProblemKind, detail: string, cause: unknown): WrapperProblem {
  return cause === undefined ? { kind, detail } : { kind, detail, cause };
}

/** Adds one event; whatever the meter does, the caller does not notice. */
export function addSafely(
  meter: WrapperOptions['meter'],
  event: UsageEventInput,
  problems: Problems,
): boolean {
  try {
    if (meter.add(event)) return true;
    problems.report('not_taken', `the meter did not take an event of ${event.metric}`);
  } catch (error) {
    problems.report('not_taken', `the meter threw at an event of ${event.metric}`, error);
  }
  return false;
}

/** Adds amounts of which only the sum matters; whatever the meter does, the caller does not notice. */
export function addUpSafely(meter: WrapperOptions['meter'], usage: SummableUsage, problems: Problems): void {
  if (meter.addUp === undefined) {
    for (const event of eventsOf(usage)) addSafely(meter, event, problems);
    return;
  }
  const metrics = (): string => usage.amounts.map(([metric]) => metric).join(', ');
  try {
    if (!meter.addUp(usage)) problems.report('not_taken', `the meter did not take all of ${metrics()}`);
  } catch (error) {
    problems.report('not_taken', `the meter threw at ${metrics()}`, error);
  }
}

/** @returns what the caller's function answers; null, and a problem told, where it throws */
export function ask<T>(name: string, of: () => T, problems: Problems): T | null {
  try {
    return of();
  } catch (error) {
    problems.report('function_failed', `${name} threw`, error);
    return null;
  }
}
