/** The supervised aggregators: started again with back-off whenever they end, until the run stops them. */
import { setTimeout as delay } from 'node:timers/promises';
import { backoffMs } from '@meterhouse/runtime';
import type { Strike } from '../plan/fault.ts';
import type { Random } from '../random.ts';
import { startChild, type GuardedChild } from './guarded-child.ts';
import type { FromWorker, ToWorker, WorkerConfig } from './messages.ts';

const SCRIPT = new URL('../workers/aggregator-process.ts', import.meta.url);
const BACKOFF = { baseMs: 200, maxMs: 2_000 };
/** One that has run this long was not ended by what ended it before. */
const HEALTHY_MS = 10_000;

type Child = GuardedChild<ToWorker, FromWorker>;

export interface WorkerOptions {
  readonly config: Omit<WorkerConfig, 'applicationName'>;
  readonly logPath: string;
  readonly random: Random;
}

export class Worker {
  readonly number: number;
  readonly #options: WorkerOptions;
  #child: Child | null = null;
  #counting = Promise.withResolvers<undefined>();
  #isCounting = false;
  #stopping = false;
  #done: Promise<void> = Promise.resolve();
  #onStruck: (strike: Strike) => void = () => undefined;
  starts = 0;

  constructor(number: number, options: WorkerOptions) {
    this.number = number;
    this.#options = options;
  }

  /** Stands in `application_name` of its sessions. */
  get applicationName(): string {
    return `meterhouse-worker-${this.number}`;
  }

  get pid(): number {
    if (this.#child === null) throw new Error(`worker ${this.number} was never started`);
    return this.#child.pid;
  }

  get isCounting(): boolean {
    return this.#isCounting;
  }

  start(): void {
    this.#done = this.#supervise();
  }

  /** Resolves when the process under supervision, or the next one, is counting. */
  async counting(): Promise<void> {
    while (!this.#isCounting) await this.#counting.promise;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.signal(signal);
  }

  /** Resolves when the process that runs now has ended. */
  async ended(): Promise<string> {
    return (await this.#child?.ended) ?? 'not running';
  }

  /** Lets a strike land at its step. Resolves when it lands, or with false when the time is up. */
  async strike(strike: Strike, deadlineMs: number): Promise<boolean> {
    const struck = new Promise<boolean>((resolve) => {
      this.#onStruck = () => {
        resolve(true);
      };
    });
    const child = this.#child;
    child?.send({ kind: 'arm', strike });
    const timer = Promise.withResolvers<boolean>();
    const timeout = setTimeout(() => {
      timer.resolve(false);
    }, deadlineMs);
    // One that ends meanwhile for another reason has forgotten the strike.
    const over = child?.ended.then(() => delay(200, false)) ?? Promise.resolve(false);
    const landed = await Promise.race([struck, timer.promise, over]);
    clearTimeout(timeout);
    this.#onStruck = () => undefined;
    if (!landed) child?.send({ kind: 'disarm' });
    return landed;
  }

  async stop(deadlineMs: number): Promise<void> {
    this.#stopping = true;
    const child = this.#child;
    child?.signal('SIGCONT');
    child?.signal('SIGTERM');
    const timer = setTimeout(() => child?.signal('SIGKILL'), deadlineMs);
    await this.#done;
    clearTimeout(timer);
  }

  #isWanted(): boolean {
    return !this.#stopping;
  }

  async #supervise(): Promise<void> {
    let failures = 0;
    while (this.#isWanted()) {
      const startedAt = performance.now();
      const child = this.#startChild();
      await child.ended;
      this.#isCounting = false;
      if (performance.now() - startedAt > HEALTHY_MS) failures = 0;
      if (this.#isWanted()) await delay(backoffMs(failures++, BACKOFF, () => this.#options.random.next()));
    }
  }

  #startChild(): Child {
    const { config, logPath } = this.#options;
    const child = startChild<ToWorker, FromWorker>(SCRIPT, logPath);
    this.#child = child;
    this.starts += 1;
    child.onMessage((message) => {
      this.#hear(child, message);
    });
    child.send({ ...config, applicationName: this.applicationName });
    // A stop that came while the back-off was waited for.
    if (this.#stopping) child.signal('SIGTERM');
    return child;
  }

  #hear(child: Child, message: FromWorker): void {
    switch (message.kind) {
      case 'counting': {
        this.#isCounting = true;
        const { resolve } = this.#counting;
        this.#counting = Promise.withResolvers();
        resolve(undefined);
        return;
      }
      case 'struck':
        // Whoever asked for it may have given up; a frozen worker must be woken all the same.
        if (message.strike.action === 'freeze') void thawAfter(child, message.strike.durationMs);
        this.#onStruck(message.strike);
        return;
      default:
        message satisfies never;
    }
  }
}

async function thawAfter(child: Child, durationMs: number): Promise<void> {
  await delay(durationMs);
  child.signal('SIGCONT');
}
