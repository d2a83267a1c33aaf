/** Waiting for what a service needs, at its start: with one deadline for all, and never silently. */
import { setTimeout as delay } from 'node:timers/promises';
import { ConfigError } from '../config.ts';
import type { Health } from '../health/health.ts';
import type { Logger } from '../logger.ts';
import { DeadlineError } from '../waiting.ts';

const ASK_EVERY_MS = 250;
/** How often a wait that goes on is heard of. */
const REMIND_EVERY_MS = 10_000;

export class StartUp {
  readonly #deadlineMs: number;
  readonly #until: number;
  readonly #health: Health;
  readonly #logger: Logger;

  constructor(options: { deadlineMs: number; health: Health; logger: Logger }) {
    this.#deadlineMs = options.deadlineMs;
    this.#until = performance.now() + options.deadlineMs;
    this.#health = options.health;
    this.#logger = options.logger;
  }

  /**
   * Asks until it works; meanwhile /readyz and the log say what is waited for, and why.
   * @param what as a person calls it: `Kafka`
   * @param isHopeless errors that waiting does not mend, which are thrown at once, as a ConfigError always is
   * @throws DeadlineError naming it, with the last error as its cause
   */
  async waitFor<T>(
    what: string,
    ask: () => Promise<T>,
    isHopeless: (error: unknown) => boolean = () => false,
  ): Promise<T> {
    let lastError: unknown = new Error('no answer yet');
    this.#health.part(what, () => `the start waits for it: ${messageOf(lastError)}`);
    let remindedAt: number | null = null;
    for (;;) {
      try {
        const answer = await this.#withinDeadline(what, ask(), () => lastError);
        this.#health.forget(what);
        return answer;
      } catch (error) {
        if (error instanceof DeadlineError || error instanceof ConfigError || isHopeless(error)) throw error;
        lastError = error;
        if (performance.now() >= this.#until) throw this.#tooLate(what, lastError);
        const now = performance.now();
        if (remindedAt === null || now - remindedAt >= REMIND_EVERY_MS) {
          this.#logger.warn({ err: error }, `waiting for ${what}`);
          remindedAt = now;
        }
      }
      await delay(ASK_EVERY_MS);
    }
  }

  #tooLate(what: string, lastError: unknown): DeadlineError {
    return new DeadlineError(`${what} at the start`, this.#deadlineMs, lastError);
  }

  /** Somebody who is frozen neither answers nor refuses. */
  async #withinDeadline<T>(what: string, asked: Promise<T>, lastError: () => unknown): Promise<T> {
    const over = new AbortController();
    const tooLate = delay(Math.max(0, this.#until - performance.now()), undefined, {
      signal: over.signal,
    }).then(() => {
      throw this.#tooLate(what, lastError());
    });
    try {
      return await Promise.race([asked, tooLate]);
    } finally {
      over.abort();
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
