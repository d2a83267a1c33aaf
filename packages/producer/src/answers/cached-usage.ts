/** Usage through the cache: one flight a key, a bound on how many ask the origin, and an honest age. */
import type { ReadUsage } from '../adapter.ts';
import { abortable } from '../abortable.ts';
import type { AskedUsage, Usage, UsageAsOf, UsageReading } from '../usage-question.ts';
import { noAnswer, type Turns } from './turns.ts';
import type { UsageCache } from './usage-cache.ts';

export interface CachedUsageParts {
  /** Resolves with who answers. */
  readonly origin: () => Promise<ReadUsage>;
  /** Null: answers are not kept. */
  readonly cache: UsageCache | null;
  readonly turns: Turns;
  readonly deadlineMs: number;
  /** Milliseconds that only go up. */
  readonly clock: () => number;
}

interface Answer {
  readonly reading: UsageReading;
  /** By the clock: the origin was asked then or later. */
  readonly askedAt: number;
  readonly cache: UsageAsOf['cache'];
}

export class CachedUsage {
  readonly #parts: CachedUsageParts;
  readonly #flights = new Map<string, Promise<Answer>>();

  constructor(parts: CachedUsageParts) {
    this.#parts = parts;
  }

  /** @throws what the origin throws; AskError `unavailable` */
  async read(asked: AskedUsage): Promise<Usage> {
    const { reading, askedAt, cache } = await this.#flight(asked);
    const ageMs = Math.ceil(this.#parts.clock() - askedAt);
    const through = reading.completeThrough;
    const completeThrough = through === null ? null : new Date(through).toISOString();
    const asOf = { completeThrough, ageMs, origin: reading.origin, cache };
    return { ...asked, ...reading, asOf };
  }

  #flight(asked: AskedUsage): Promise<Answer> {
    const key = keyOf(asked);
    const under = this.#flights.get(key);
    if (under !== undefined) return under;
    const deadline = AbortSignal.timeout(this.#parts.deadlineMs);
    const flight = abortable(this.#answer(asked, key, deadline), deadline, noAnswer).finally(() => {
      this.#flights.delete(key);
    });
    this.#flights.set(key, flight);
    return flight;
  }

  async #answer(asked: AskedUsage, key: string, deadline: AbortSignal): Promise<Answer> {
    const { cache, clock } = this.#parts;
    const startedAt = clock();
    const look = await cache?.look(key);
    if (look?.state === 'hit' && cache !== null)
      return { reading: look.reading, askedAt: startedAt - look.ageMs, cache: cache.kind };
    const reading = await this.#ask(asked, deadline);
    if (look?.state === 'miss') look.keep(reading);
    const state = look === undefined ? 'off' : look.state === 'miss' ? 'miss' : 'unavailable';
    return { reading, askedAt: startedAt, cache: state };
  }

  #ask(asked: AskedUsage, deadline: AbortSignal): Promise<UsageReading> {
    const { origin, turns } = this.#parts;
    return turns.run(async () => (await origin())(asked, deadline), deadline);
  }
}

/** No two questions have the same: all but the tenant hold no colon. */
function keyOf({ tenantId, metric, from, to, descendants }: AskedUsage): string {
  return `${tenantId}:${metric}:${from}:${to}:${descendants ? 'subtree' : 'own'}`;
}
