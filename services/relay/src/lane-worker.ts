/**
 * Works one lane for as long as it is held: reads its first rows, delivers them, and goes on until nothing
 * waits; then it sleeps until it is woken, or until it is time to look again.
 *
 * Every read checks the lane's epoch: once another relay has taken the lane, no row of it is read here.
 * A target that failed is never used again.
 */
import { errorCode, isRetryable, type Pool } from '@meterhouse/postgres';
import { readLane, setIdle, type HeldLane } from '@meterhouse/postgres/outbox';
import { backoffMs, isAborted, type Logger } from '@meterhouse/runtime';
import { Doze } from './doze.ts';
import type { OpenLane, Target } from './target.ts';

export interface LaneBounds {
  readonly maxRows: number;
  readonly maxBytes: number;
  readonly pollMs: number;
}

export interface LaneWorkerDeps {
  readonly pool: Pool;
  readonly target: Target;
  readonly bounds: LaneBounds;
  readonly logger: Logger;
  readonly random: () => number;
  readonly observer: LaneObserver;
  readonly fail: (error: unknown) => void;
}

export interface LaneObserver {
  /** @param oldestMs epoch ms at which the first of them was recorded */
  readonly relayed: (events: number, oldestMs: number, durationMs: number) => void;
  readonly failed: () => void;
}

const BACKOFF = { baseMs: 100, maxMs: 5_000 };

export class LaneWorker {
  readonly held: HeldLane;
  readonly #deps: LaneWorkerDeps;
  readonly #stopping = new AbortController();
  readonly #doze = new Doze();
  readonly #done: Promise<void>;
  #lane: OpenLane | null = null;
  #isIdle = false;
  /** Why the last attempt failed; null while all is well. */
  #problem: string | null = null;

  constructor(deps: LaneWorkerDeps, held: HeldLane) {
    this.#deps = deps;
    this.held = held;
    this.#done = this.#run().catch(deps.fail);
  }

  get problem(): string | null {
    return this.#problem;
  }

  wake(): void {
    this.#doze.wake();
  }

  /** Resolves when the batch under way has ended. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#doze.wake();
    await this.#done;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const { logger, random, observer } = this.#deps;
    for (let attempt = 0; !isAborted(signal);) {
      try {
        if ((await this.#round()) === 'lost') break;
        attempt = 0;
        this.#problem = null;
      } catch (error) {
        // Whatever kafkajs throws passes by itself or shows in the age; a mistake of ours must not go on.
        if (error instanceof TypeError || error instanceof RangeError) throw error;
        observer.failed();
        this.#problem = error instanceof Error ? error.message : String(error);
        if ((attempt & (attempt - 1)) === 0)
          logger.warn(
            {
              lane: this.held.lane,
              attempt,
              err: error,
              code: isRetryable(error) ? errorCode(error) : undefined,
            },
            'the outbox waits',
          );
        await this.#close();
        await this.#doze.sleep(backoffMs(attempt, BACKOFF, random), signal);
        attempt += 1;
      }
    }
    await this.#close();
  }

  async #round(): Promise<'lost' | 'goes_on'> {
    const { pool, target, bounds, observer } = this.#deps;
    this.#lane ??= await target.open(this.held);
    const rows = await readLane(pool, this.held, bounds);
    if (rows === null) return 'lost';
    const [first] = rows;
    if (first === undefined) {
      await this.#rest();
      return 'goes_on';
    }
    if (this.#isIdle) await this.#setIdle(false);
    const startedAt = performance.now();
    if (await this.#lane.deliver(rows))
      observer.relayed(rows.length, first.recordedAt, performance.now() - startedAt);
    return 'goes_on';
  }

  /** Says that it sleeps, and looks once more before it does: what came in between would wake nobody. */
  async #rest(): Promise<void> {
    if (!this.#isIdle) {
      await this.#setIdle(true);
      return;
    }
    await this.#doze.sleep(this.#deps.bounds.pollMs, this.#stopping.signal);
  }

  async #setIdle(isIdle: boolean): Promise<void> {
    await setIdle(this.#deps.pool, this.held, isIdle);
    this.#isIdle = isIdle;
  }

  async #close(): Promise<void> {
    const lane = this.#lane;
    this.#lane = null;
    await lane?.close();
  }
}
