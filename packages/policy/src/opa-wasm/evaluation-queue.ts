/** Questions wait here for the one thread; each until its own deadline. */
import type { PolicyProblem } from '../question-bounds.ts';
import type { Evaluation } from './policy-thread.ts';

export type Outcome =
  | { readonly kind: 'result'; readonly results: unknown }
  | { readonly kind: 'problem'; readonly problem: PolicyProblem };

interface Waiting {
  readonly input: object;
  readonly settle: (outcome: Outcome) => void;
}

/** See `PolicyThread`. */
interface EvaluationThread {
  evaluate(input: object): Promise<Evaluation>;
  abandon(): void;
  stop(): Promise<void>;
}

interface QueueOptions {
  readonly deadlineMs: number;
  /** How long after its deadline an evaluation may go on. */
  readonly endAfterMs: number;
  /** Waiting and under way. */
  readonly maxPending: number;
  readonly startThread: () => Promise<EvaluationThread>;
}

export class EvaluationQueue {
  readonly #options: QueueOptions;
  readonly #waiting = new Set<Waiting>();
  #underWay: Waiting | null = null;
  /** Runs while an evaluation goes on past its deadline. */
  #ending: NodeJS.Timeout | undefined;
  #thread: EvaluationThread | null;
  #working: Promise<void> | null = null;
  #closed = false;

  constructor(thread: EvaluationThread, options: QueueOptions) {
    this.#thread = thread;
    this.#options = options;
  }

  /** Never rejects. */
  ask(input: object): Promise<Outcome> {
    if (this.#closed) return Promise.resolve(problem('engine_failed'));
    const pending = this.#waiting.size + (this.#underWay === null ? 0 : 1);
    if (pending >= this.#options.maxPending) return Promise.resolve(problem('overloaded'));
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#expire(waiting), this.#options.deadlineMs);
      const waiting: Waiting = {
        input,
        settle: (outcome) => {
          clearTimeout(timer);
          resolve(outcome);
        },
      };
      this.#waiting.add(waiting);
      this.#working ??= this.#work();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#failAll();
    this.#thread?.abandon();
    await this.#working;
    await this.#thread?.stop();
    this.#thread = null;
  }

  /** Only one runs at a time, and it ends when nobody waits. */
  async #work(): Promise<void> {
    // A thread that had to be ended is replaced also when nobody waits: whoever comes next finds it ready.
    while (!this.#closed && (this.#waiting.size > 0 || this.#thread === null)) {
      this.#thread ??= await this.#startThread();
      if (this.#thread === null) break;
      const [next] = this.#waiting;
      if (next !== undefined) await this.#evaluate(this.#thread, next);
    }
    this.#working = null;
  }

  async #evaluate(thread: EvaluationThread, next: Waiting): Promise<void> {
    this.#waiting.delete(next);
    this.#underWay = next;
    const evaluation = await thread.evaluate(next.input);
    clearTimeout(this.#ending);
    this.#underWay = null;
    // Settled already where the deadline has passed: a late answer changes nothing.
    next.settle(outcomeOf(evaluation));
    if (evaluation.kind !== 'gone') return;
    this.#thread = null;
    await thread.stop();
  }

  /** Null when it does not start: those who wait are told, and the next question tries again. */
  async #startThread(): Promise<EvaluationThread | null> {
    try {
      return await this.#options.startThread();
    } catch {
      this.#failAll();
      return null;
    }
  }

  #expire(waiting: Waiting): void {
    this.#waiting.delete(waiting);
    waiting.settle(problem('deadline'));
    if (waiting !== this.#underWay) return;
    // Nobody waits for this any more, so it does not hold the process either.
    this.#ending = setTimeout(() => this.#thread?.abandon(), this.#options.endAfterMs).unref();
  }

  #failAll(): void {
    for (const waiting of this.#waiting) waiting.settle(problem('engine_failed'));
    this.#waiting.clear();
    this.#underWay?.settle(problem('engine_failed'));
  }
}

function outcomeOf(evaluation: Evaluation): Outcome {
  return evaluation.kind === 'result' ? evaluation : problem('engine_failed');
}

function problem(what: PolicyProblem): Outcome {
  return { kind: 'problem', problem: what };
}
