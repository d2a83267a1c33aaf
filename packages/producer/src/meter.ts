/** The protocol: what a service says to its meter, whatever stands behind it. */
import type { Guarantees } from './adapter.ts';
import type { CheckAnswer, CheckQuestion } from './check.ts';
import type { MeterCounters } from './counters.ts';
import type { UsageEventInput } from './event-input.ts';
import type { ImportOutcome, ImportTotals } from './record-many.ts';
import type { SummableUsage } from './sums/summable.ts';
import type { Usage, UsageQuestionInput } from './usage-question.ts';

export interface Meter {
  /**
   * Resolves with the event's id when it is durable where the adapter brings it (`guarantees.durableIn`).
   * @throws MeterError (as a rejection); after `not_acknowledged`, record `error.event` again
   */
  record(event: UsageEventInput): Promise<{ readonly id: string }>;
  /**
   * Takes an event into the buffer without waiting; tried until it is acknowledged or the meter is
   * closed. Never throws: what is refused is counted and reported.
   * @returns whether it was taken
   */
  add(event: UsageEventInput): boolean;
  /**
   * Like `add`, for amounts of which only the sum matters. Where the configuration says so (`sums`), those
   * of one tenant, metric, hour and set of attributes are added up for a while and go out as one event,
   * without a correlation id; otherwise each is an event.
   * @returns whether all of it was taken
   */
  addUp(usage: SummableUsage): boolean;
  /**
   * Records all, at the speed that the receiver takes them: it waits for room instead of refusing.
   * @param onOutcome called once for each event with its position
   */
  recordMany(
    events: Iterable<UsageEventInput> | AsyncIterable<UsageEventInput>,
    onOutcome?: (index: number, outcome: ImportOutcome) => void,
  ): Promise<ImportTotals>;
  /**
   * The usage of a tenant in whole hours, exact, and up to when it is complete.
   * @throws AskError (as a rejection): `refused` with the field, `unsupported`, `unavailable`, `closed`
   */
  getUsage(question: UsageQuestionInput): Promise<Usage>;
  /**
   * Whether the work may begin. It only looks: nothing is taken or held. A denial is an answer.
   * @throws AskError (as a rejection): `refused` with the field, `unsupported`, `unavailable`, `closed`
   */
  check(question: CheckQuestion): Promise<CheckAnswer>;
  /**
   * Like `check`, and a denial is an error.
   * @throws QuotaExceeded where quota is used up, with the scope whose ceiling won; CheckDenied for any
   * other denial; AskError as `check`
   */
  checkOrThrow(question: CheckQuestion): Promise<CheckAnswer>;
  /**
   * Resolves when everything taken before the call is acknowledged.
   * @throws MeterError `not_acknowledged` if any of it was refused by the receiver or given up
   */
  flush(): Promise<void>;
  /** Takes no more, delivers what it can within the deadline (default 10,000 ms), gives up the rest. */
  close(options?: { readonly deadlineMs?: number }): Promise<MeterCounters>;
  counters(): MeterCounters;
  /**
   * Need not be waited for: what is taken before is sent when the adapter is loaded.
   * @throws (as a rejection) where it cannot be, as when its client is not installed
   */
  ready(): Promise<MeterDescription>;
}

export interface MeterDescription {
  /** `custom` for one of the service's own. */
  readonly adapter: string;
  readonly guarantees: Guarantees;
}

/** Time, ids and chance. */
export interface MeterPorts {
  /** Wall clock, epoch ms: an event's time where it gives none. */
  readonly now: () => number;
  /** Milliseconds that only go up, for deadlines. */
  readonly clock: () => number;
  readonly newId: (nowMs: number) => string;
  /** In [0, 1), for back-off. */
  readonly random: () => number;
}
