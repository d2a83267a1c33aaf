/** Asks every part at once, each within the same short deadline. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Stores } from '../connect/stores.ts';
import { CommandError } from '../exit.ts';
import { askClickHouse } from './ask-clickhouse.ts';
import { askKafka } from './ask-kafka.ts';
import { askPostgres } from './ask-postgres.ts';
import { askRegistry } from './ask-registry.ts';
import { askService } from './ask-services.ts';
import type { Asked, StatusFacts } from './facts.ts';

export interface Question {
  readonly stores: Stores;
  /** That a part may take for its answer. */
  readonly deadlineMs: number;
  /** Epoch ms. */
  readonly now: () => number;
}

/** @throws CommandError only when no store's address is known: then there is nobody to ask */
export async function askAll({ stores, deadlineMs, now }: Question): Promise<StatusFacts> {
  requireSomeAddress(stores);
  const within = <T>(work: () => Promise<T>): Promise<Asked<T>> => answerWithin(deadlineMs, work);
  const [kafka, registry, postgres, clickhouse, services] = await Promise.all([
    within(() => askKafka(stores, deadlineMs)),
    within(() => askRegistry(stores, deadlineMs)),
    within(() => askPostgres(stores, deadlineMs)),
    within(() => askClickHouse(stores, deadlineMs)),
    Promise.all(stores.services().map((service) => askService(service, within, deadlineMs))),
  ]);
  const topic = stores.names.usageEventsTopic;
  return { at: now(), topic, kafka, registry, postgres, clickhouse, services };
}

function requireSomeAddress(stores: Stores): void {
  let first: unknown = null;
  for (const store of ['kafka', 'schemaRegistry', 'postgres', 'clickhouse'] as const) {
    try {
      stores.urlOf(store);
      return;
    } catch (error) {
      first ??= error;
    }
  }
  throw first;
}

/**
 * A part that is frozen neither answers nor refuses, so each also clears up within the deadline by itself.
 * Here is only where the waiting ends.
 */
async function answerWithin<T>(deadlineMs: number, work: () => Promise<T>): Promise<Asked<T>> {
  const from = performance.now();
  const waiting = new AbortController();
  const late = delay(deadlineMs, undefined, { signal: waiting.signal }).then(() => {
    throw new CommandError(`no answer within ${deadlineMs / 1_000} s`);
  });
  try {
    const value = await Promise.race([work(), late]);
    return { answers: true, tookMs: Math.round(performance.now() - from), value };
  } catch (error) {
    return { answers: false, reason: reasonOf(error) };
  } finally {
    late.catch(() => undefined);
    waiting.abort();
  }
}

/** The innermost reason, on one line and without what a person should do: that is said by the judgement. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  if (!(error instanceof Error)) return String(error);
  if (error.message === 'fetch failed' && error.cause !== undefined) return reasonOf(error.cause);
  return error.message.split('\n')[0] ?? error.name;
}
