/** What wrappers need of a meter, and no more: any meter, and in tests any list, will do. */
import type { UsageEventInput } from '../event-input.ts';
import type { SummableUsage } from '../sums/summable.ts';

/** Takes an event without waiting; returns whether it was taken; never throws. */
export interface AddsUsage {
  add(event: UsageEventInput): boolean;
  /** Where it is missing, each amount is added by itself. */
  addUp?(usage: SummableUsage): boolean;
}

/** Resolves when the event is kept; then, and only then, a message may be acknowledged. */
export interface RecordsUsage {
  record(event: UsageEventInput): Promise<unknown>;
}

/** What is common to all wrappers. */
export interface WrapperOptions {
  readonly meter: AddsUsage;
  /** Told of what could not be metered: the 1st, 2nd, 4th, 8th … of a kind. */
  readonly logger?: WarningLogger;
  /** Called for each of them. It must not throw; if it does, that is counted too. */
  readonly onProblem?: (problem: WrapperProblem) => void;
}

export interface WarningLogger {
  warn(details: object, message: string): void;
}

/** Usage that could not be metered, or not as it was meant to be. The list of kinds is closed. */
export type WrapperProblemKind =
  /** Nobody could be named whose usage it is. Not metered. */
  | 'no_tenant'
  /** A function of yours (tenant, value, attributes …) threw or answered nonsense. */
  | 'function_failed'
  /** The meter did not take it. */
  | 'not_taken'
  /** More routes than `maxRoutes`: counted, under one name for all others. */
  | 'too_many_routes'
  /** A message without an identity or a time of its own: it would count again when it comes again. */
  | 'no_identity'
  /** A message could not be acknowledged: it comes again, and counts once. */
  | 'not_acknowledged'
  /** A response that says nothing of usage. */
  | 'no_usage'
  /** A clock that jumped or a lease that ran out: time that is not billed. */
  | 'time_not_billed';

export interface WrapperProblem {
  readonly kind: WrapperProblemKind;
  readonly detail: string;
  readonly cause?: unknown;
}
