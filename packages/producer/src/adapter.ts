/**
 * What stands behind a meter: an adapter, which takes events, and readers, which answer questions. The
 * meter is the same in front of each, so a service's code is too. What one of them cannot do it says
 * with null; the meter answers `unsupported` then, and names it.
 *
 * Each has a folder of its own, adapters/NAME/ or readers/NAME/: `options.ts` says what it can be told,
 * and needs nothing but zod; `index.ts` exports `openAdapter` or `openReader` and is imported only once
 * it is chosen, so that its clients (kafkajs, pg, …) are needed only then. Adapters do not import each
 * other; an adapter may build on a reader.
 */
import type { TenantClass } from '@meterhouse/quota';
import type { Logger } from 'pino';
import type { CheckAnswer, CheckedQuestion } from './check.ts';
import type { Transport } from './transport.ts';
import type { AskedUsage, UsageReading } from './usage-question.ts';

/** @throws ReaderError (as a rejection) */
export type ReadUsage = (question: AskedUsage, signal: AbortSignal) => Promise<UsageReading>;

/** A denial is an answer. @throws ReaderError (as a rejection) */
export type Check = (question: CheckedQuestion, signal: AbortSignal) => Promise<CheckAnswer>;

/**
 * The class of a tenant, the strictest of its lineage; null where nobody knows the tenant.
 * @throws ReaderError (thrown, or as a rejection)
 */
export type ClassOf = (
  tenantId: string,
  signal: AbortSignal,
) => TenantClass | null | Promise<TenantClass | null>;

export interface Reader {
  readonly readUsage: ReadUsage | null;
  readonly check: Check | null;
  readonly classOf: ClassOf | null;
  /** Closes what the ports hold. */
  close(): Promise<void>;
}

/** What an adapter promises, for tests and for whoever wants to know at run time. */
export interface Guarantees {
  /** Where an event is once `record` has resolved, whatever happens to this process afterwards. */
  readonly durableIn: 'nothing' | 'log' | 'broker' | 'database' | 'sink';
  /** Whether each event ends in the usage exactly once, however often it is sent. */
  readonly counts: 'exactly_once' | 'not_at_all';
}

/** As a reader, it answers what the configuration names no other reader for. */
export interface Adapter extends Reader {
  readonly guarantees: Guarantees;
  /** Null: events go nowhere, and are not even kept in memory. It is closed before the rest. */
  readonly transport: Transport | null;
}

/** What adapters and readers are made with, beside their options. */
export interface Tools {
  /** The meter's: the service's name. For client ids and the like. */
  readonly source: string;
  readonly logger: Logger;
  /** Epoch ms. */
  readonly now: () => number;
  /** Milliseconds that only go up. */
  readonly clock: () => number;
  /** In [0, 1). */
  readonly random: () => number;
}

/** It need not connect: what is away is tried again by each port. */
export type OpenAdapter<Options> = (options: Options, tools: Tools) => Adapter | Promise<Adapter>;
export type OpenReader<Options> = (options: Options, tools: Tools) => Reader | Promise<Reader>;

/**
 * `unavailable`: asking again may help. `refused`: not as the question stands; `field` says what of it
 * is wrong, such as a metric that is not registered.
 */
export type ReaderProblem = 'unavailable' | 'refused';

export class ReaderError extends Error {
  readonly problem: ReaderProblem;
  /** Of the question; set with `refused`. */
  readonly field: string | null;

  constructor(
    problem: ReaderProblem,
    message: string,
    details: { readonly field?: string; readonly cause?: unknown } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'ReaderError';
    this.problem = problem;
    this.field = details.field ?? null;
  }
}
