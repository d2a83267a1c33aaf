/**
 * One of the processes that share a concurrency limit in leases-burst.test.ts. It says when it holds a
 * place and when no more, on the clock that all processes of a machine share.
 */
import { waitFor } from '@meterhouse/runtime';
import {
  createRateLimiter,
  keepLeases,
  openRedisStore,
  type KeptLeases,
  type Leases,
  type RateLimiter,
} from './index.ts';

export interface LeasesSetting {
  readonly url: string;
  readonly keyPrefix: string;
  readonly limit: number;
  readonly leaseMs: number;
}

export type LeasesOrder =
  | { readonly order: 'connect'; readonly setting: LeasesSetting }
  /** Take places and give them back, so many times. */
  | { readonly order: 'work'; readonly times: number }
  /** Take so many and keep them. */
  | { readonly order: 'hold'; readonly places: number }
  /** Until none of those that were kept is held any more. */
  | { readonly order: 'await_loss' };

export type LeasesReport =
  { readonly kind: 'done' } | { readonly kind: 'held' | 'ended'; readonly id: string; readonly atMs: number };

const WORKERS = 8;
const PATIENCE = { deadlineMs: 50_000, everyMs: 5 };
const ROOT = 'acme';

/** CLOCK_MONOTONIC, which is the machine's and not the process'. */
function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

function tell(report: LeasesReport): void {
  process.send?.(report);
}

class Holder {
  readonly #limiter: RateLimiter;
  readonly #setting: LeasesSetting;
  readonly #kept = new Set<string>();
  #next = 0;

  constructor(setting: LeasesSetting) {
    const { url, keyPrefix } = setting;
    const guard = { deadlineMs: 200, failuresToOpen: 3, openMs: 100 };
    this.#limiter = createRateLimiter({ store: openRedisStore({ url, silenceMs: 500 }), keyPrefix, guard });
    this.#setting = setting;
  }

  async work(times: number): Promise<void> {
    let left = times;
    const workOn = async (): Promise<void> => {
      while (left-- > 0) {
        const { id, kept } = await this.#take();
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 20));
        // Before it is given back: from then on it may be another's.
        tell({ kind: 'ended', id, atMs: Math.min(machineMs(), kept.heldUntilMs) });
        await kept.release();
      }
    };
    await Promise.all(Array.from({ length: WORKERS }, workOn));
  }

  async hold(places: number): Promise<void> {
    for (let i = 0; i < places; i++) {
      const { id, kept } = await this.#take();
      this.#kept.add(id);
      kept.signal.addEventListener('abort', () => {
        tell({ kind: 'ended', id, atMs: Math.min(machineMs(), kept.heldUntilMs) });
        this.#kept.delete(id);
      });
    }
  }

  awaitLoss(): Promise<true> {
    return waitFor('the loss of all places', () => (this.#kept.size === 0 ? true : undefined), PATIENCE);
  }

  #take(): Promise<{ id: string; kept: KeptLeases }> {
    const { limit, leaseMs } = this.#setting;
    const id = `${process.pid}-${this.#next++}`;
    const leases: Leases = {
      id,
      of: [
        { tenantId: 'acme/team', id: 'wide', limit: limit * 2, leaseMs },
        { tenantId: ROOT, id: 'jobs', limit, leaseMs },
      ],
    };
    const taken = async (): Promise<{ id: string; kept: KeptLeases } | undefined> => {
      const askedAtMs = machineMs();
      const answer = await this.#limiter.charge([], { rootId: ROOT, leases });
      if (answer.outcome !== 'admitted') return undefined;
      const kept = keepLeases(this.#limiter, { rootId: ROOT, leases, askedAtMs, monotonicMs: machineMs });
      tell({ kind: 'held', id, atMs: machineMs() });
      return { id, kept };
    };
    return waitFor('a place', taken, PATIENCE);
  }
}

let holder: Holder | null = null;

async function follow(order: LeasesOrder): Promise<void> {
  if (order.order === 'connect') holder = new Holder(order.setting);
  else if (order.order === 'work') await holder?.work(order.times);
  else if (order.order === 'hold') await holder?.hold(order.places);
  else await holder?.awaitLoss();
}

process.on('message', (order: LeasesOrder) => {
  // What goes wrong ends the process, and with it the test.
  void follow(order).then(() => tell({ kind: 'done' }));
});
