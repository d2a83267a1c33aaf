/**
 * Starts again what should not end. It never gives up: a service that keeps ending is tried at the
 * longest back-off, its failures are counted, and every one of them is told.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { backoffMs } from '@meterhouse/runtime';

/** One run of a service, from its start to its end. */
export interface Run {
  readonly pid: number;
  /** How it ended, in words: `exit code 1`, `signal SIGKILL`. Never rejects. */
  readonly ended: Promise<string>;
  /** Ends it within a deadline. Harmless when it has ended. */
  stop(): Promise<void>;
}

export interface Supervised {
  readonly name: string;
  /** The run that is under way already, if there is one. */
  readonly running?: Run;
  /** @throws when it does not come up; counts as a failure like any other */
  start(): Promise<Run>;
}

export type SupervisionEvent =
  | {
      readonly kind: 'ended';
      readonly name: string;
      readonly how: string;
      /** Ends in a row, none of which came after a healthy while. */
      readonly inARow: number;
      readonly waitMs: number;
    }
  | {
      readonly kind: 'started_again';
      readonly name: string;
      readonly pid: number;
      readonly restarts: number;
    };

export interface SupervisorOptions {
  readonly backoff: { readonly baseMs: number; readonly maxMs: number };
  /** A run that lasted so long wipes out the failures before it. */
  readonly healthyMs: number;
  readonly random: () => number;
  readonly tell: (event: SupervisionEvent) => void;
}

export interface Supervision {
  readonly name: string;
  readonly restarts: number;
  /** Starts nothing any more, and stops what runs. */
  stop(): Promise<void>;
}

/** @throws when the first start fails */
export async function supervise(service: Supervised, options: SupervisorOptions): Promise<Supervision> {
  const supervision = new KeptUp(service, options, service.running ?? (await service.start()));
  return {
    name: service.name,
    get restarts() {
      return supervision.restarts;
    },
    stop: () => supervision.stop(),
  };
}

class KeptUp {
  restarts = 0;
  readonly #service: Supervised;
  readonly #options: SupervisorOptions;
  readonly #stopping = new AbortController();
  readonly #done: Promise<void>;
  #run: Run;
  #inARow = 0;

  constructor(service: Supervised, options: SupervisorOptions, run: Run) {
    this.#service = service;
    this.#options = options;
    this.#run = run;
    this.#done = this.#keepUp();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#run.stop();
    await this.#done;
    // A start that was under way when the stop came.
    await this.#run.stop();
  }

  async #keepUp(): Promise<void> {
    const { name } = this.#service;
    while (!this.#isStopping()) {
      const startedAt = performance.now();
      let how = await this.#run.ended;
      if (performance.now() - startedAt >= this.#options.healthyMs) this.#inARow = 0;
      for (;;) {
        if (this.#isStopping()) return;
        await this.#backOff(how);
        if (this.#isStopping()) return;
        try {
          this.#run = await this.#service.start();
          break;
        } catch (error) {
          how = error instanceof Error ? error.message : String(error);
        }
      }
      this.restarts += 1;
      this.#options.tell({ kind: 'started_again', name, pid: this.#run.pid, restarts: this.restarts });
    }
  }

  async #backOff(how: string): Promise<void> {
    const { backoff, random, tell } = this.#options;
    const waitMs = backoffMs(this.#inARow, backoff, random);
    this.#inARow += 1;
    tell({ kind: 'ended', name: this.#service.name, how, inARow: this.#inARow, waitMs });
    // The stop cuts it short.
    await delay(waitMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
  }

  #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }
}
