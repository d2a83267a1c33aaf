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
  const stopping = new AbortController();
  let run = service.running ?? (await service.start());
  let restarts = 0;

  const keepUp = async (): Promise<void> => {
    let inARow = 0;
    for (;;) {
      const startedAt = performance.now();
      let how = await run.ended;
      if (performance.now() - startedAt >= options.healthyMs) inARow = 0;
      for (;;) {
        if (stopping.signal.aborted) return;
        const waitMs = backoffMs(inARow, options.backoff, options.random);
        inARow += 1;
        options.tell({ kind: 'ended', name: service.name, how, inARow, waitMs });
        await delay(waitMs, undefined, { signal: stopping.signal }).catch(() => undefined);
        if (stopping.signal.aborted) return;
        try {
          run = await service.start();
          break;
        } catch (error) {
          how = error instanceof Error ? error.message : String(error);
        }
      }
      restarts += 1;
      options.tell({ kind: 'started_again', name: service.name, pid: run.pid, restarts });
    }
  };
  const done = keepUp();

  return {
    name: service.name,
    get restarts() {
      return restarts;
    },
    stop: async () => {
      stopping.abort();
      await run.stop();
      await done;
      // A start that was under way when the stop came.
      await run.stop();
    },
  };
}
