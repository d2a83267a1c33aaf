/** So many questions at once on their way to who answers, so many that wait; more are refused at once. */
import { abortable } from '../abortable.ts';
import { AskError } from './ask-error.ts';

export class Turns {
  readonly #concurrency: number;
  readonly #maxWaiting: number;
  readonly #waiting = new Set<() => void>();
  #running = 0;

  constructor(concurrency: number, maxWaiting: number) {
    this.#concurrency = concurrency;
    this.#maxWaiting = maxWaiting;
  }

  /**
   * Work that goes on after its signal is left to itself; its place is free again.
   * @throws AskError `unavailable` where too many wait, or the signal is aborted; what `work` throws
   */
  async run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    if (this.#running >= this.#concurrency) await this.#turn(signal);
    else this.#running += 1;
    try {
      return await abortable(work(), signal, noAnswer);
    } finally {
      // Whoever is next takes the place over, so that nobody comes in between.
      const next = first(this.#waiting);
      if (next === undefined) this.#running -= 1;
      else {
        this.#waiting.delete(next);
        next();
      }
    }
  }

  async #turn(signal: AbortSignal): Promise<void> {
    if (this.#waiting.size >= this.#maxWaiting)
      throw new AskError(
        'unavailable',
        `${this.#running} questions are asked and ${this.#waiting.size} wait already`,
      );
    const turn = Promise.withResolvers<undefined>();
    const take = (): void => {
      turn.resolve(undefined);
    };
    const leave = (): void => {
      if (this.#waiting.delete(take))
        turn.reject(new AskError('unavailable', 'the question was not asked in time: too many before it'));
    };
    this.#waiting.add(take);
    signal.addEventListener('abort', leave, { once: true });
    try {
      await turn.promise;
    } finally {
      signal.removeEventListener('abort', leave);
    }
  }
}

export function noAnswer(): AskError {
  return new AskError('unavailable', 'there was no answer in time');
}

function first<T>(set: ReadonlySet<T>): T | undefined {
  for (const each of set) return each;
  return undefined;
}
