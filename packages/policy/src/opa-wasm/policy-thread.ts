/** A thread with a loaded policy, from the side of those who ask. */
import { Worker } from 'node:worker_threads';
import type { FromThread, ThreadData } from './messages.ts';

/** The module cannot be used; the message says why. */
export class OpaModuleError extends Error {
  constructor(problem: string) {
    super(`module: ${problem}`);
    this.name = 'OpaModuleError';
  }
}

export type Evaluation =
  | { readonly kind: 'result'; readonly results: unknown }
  | { readonly kind: 'failed' }
  /** It was abandoned or died: the thread is of no more use. */
  | { readonly kind: 'gone' };

export class PolicyThread {
  readonly #worker: Worker;
  #settle: ((evaluation: Evaluation) => void) | null = null;
  #gone = false;

  /** @throws OpaModuleError also where the module is not ready by the deadline */
  static async start(data: ThreadData, deadlineMs: number): Promise<PolicyThread> {
    const worker = new Worker(new URL('./thread.ts', import.meta.url), { workerData: data });
    const problem = await problemOfStart(worker, deadlineMs);
    if (problem === null) return new PolicyThread(worker);
    await worker.terminate();
    throw new OpaModuleError(problem);
  }

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.on('message', (message: FromThread) => {
      if (message.kind === 'result' || message.kind === 'failed') this.#finish(message);
    });
    worker.on('error', () => this.abandon());
    worker.on('exit', () => this.abandon());
    // Whoever waits for a verdict holds the process by the deadline's timer; an idle policy holds nothing.
    worker.unref();
  }

  /** One at a time. Never rejects. */
  evaluate(input: object): Promise<Evaluation> {
    if (this.#gone) return Promise.resolve({ kind: 'gone' });
    return new Promise((resolve) => {
      this.#settle = resolve;
      this.#worker.postMessage(input);
    });
  }

  /** Ends the evaluation under way as `gone`, and with it the use of the thread. */
  abandon(): void {
    this.#gone = true;
    this.#finish({ kind: 'gone' });
  }

  async stop(): Promise<void> {
    this.abandon();
    await this.#worker.terminate();
  }

  #finish(evaluation: Evaluation): void {
    const settle = this.#settle;
    this.#settle = null;
    settle?.(evaluation);
  }
}

/** Null once the policy is loaded. */
async function problemOfStart(worker: Worker, deadlineMs: number): Promise<string | null> {
  const started = Promise.withResolvers<string | null>();
  const timer = setTimeout(() => started.resolve(`not ready within ${deadlineMs} ms`), deadlineMs);
  const onMessage = (message: FromThread) =>
    started.resolve(message.kind === 'unusable' ? message.problem : null);
  const onError = (error: Error) => started.resolve(error.message);
  const onExit = () => started.resolve('its thread ended');
  worker.on('message', onMessage).on('error', onError).on('exit', onExit);
  try {
    return await started.promise;
  } finally {
    clearTimeout(timer);
    worker.off('message', onMessage).off('exit', onExit);
    // The listener for errors stays: one that comes while the thread is ended must not end the process.
  }
}
