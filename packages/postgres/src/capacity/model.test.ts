/**
 * Guarantees, on a real Postgres, for parallel clients in any mixture of operations:
 *  - the answers that clients get at once are those that an obvious reference gives in some order, also
 *    when an answer is lost and the same is asked again, when the same is asked twice at once, and when
 *    Postgres ends sessions in the middle
 *  - at every moment, seen from outside, the live reservations of a pool do not exceed its size
 *  - what is booked is the sum of what has not ended; what is live is what the reference says
 */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isRetryable } from '../errors.ts';
import { inTransaction } from '../transaction.ts';
import { applyPools, confirm, release, renew, reserve } from './index.ts';
import {
  explain,
  isLive,
  reservedIn,
  type Happened,
  type ModelState,
  type Observed,
  type Operation,
} from './model.testing.ts';
import { round, type Delivery, type Round, type Wish } from './model-wishes.testing.ts';
import { capacityBed, lasting, poolTruth, START, type CapacityBed } from './testing.ts';

let bed: CapacityBed;
beforeAll(async () => {
  bed = await capacityBed(afterAll);
});

/** Only this pool's size stays, so that its bound can be watched while things happen. */
const FIXED_SIZE = 6n;

let runs = 0;

class Run {
  readonly #pools: readonly string[];
  readonly #prefix: string;
  /** Tokens of each known reservation, latest first. */
  readonly #tokens = new Map<bigint, { tenantId: string; tokens: bigint[] }>();
  #now: number;
  #state: ModelState;

  private constructor(prefix: string, pools: readonly string[], now: number) {
    this.#prefix = prefix;
    this.#pools = pools;
    this.#now = now;
    this.#state = { sizes: new Map(pools.map((pool) => [pool, FIXED_SIZE])), reservations: [] };
  }

  static async start(): Promise<Run> {
    const prefix = `run-${++runs}`;
    const pools = [`${prefix}-fixed`, `${prefix}-resized`];
    for (const pool of pools) await bed.setPool(pool, FIXED_SIZE);
    return new Run(prefix, pools, START + runs * 1_000_000);
  }

  async play({ passMs, wishes, kills }: Round): Promise<void> {
    await bed.setClock((this.#now += passMs));
    const operations = wishes.flatMap((one) => {
      const operation = this.#operation(one);
      return operation === null ? [] : [{ operation, delivery: one.delivery }];
    });
    const watching = this.#watch();
    const killing = this.#kill(kills);
    const happened = (
      await Promise.all(operations.map(({ operation, delivery }) => deliver(operation, delivery)))
    ).flat();
    await killing;
    await watching.stop();
    const after = explain(this.#state, happened, this.#now);
    if (after === null) throw new Error(`no order explains ${shown(happened)} at ${this.#now}`);
    this.#state = after;
    this.#remember(happened);
    await this.#compare();
  }

  #operation(asked: Wish): Operation | null {
    const { tenantId, units, ttlMs } = asked;
    const pool = this.#pools[asked.pool] ?? '';
    if (asked.what === 'resize')
      return asked.pool === 0 ? null : { op: 'resize', pool, size: units * BigInt(1 + asked.token) * 2n };
    const key = `${this.#prefix}/${asked.key}`;
    if (asked.what === 'reserve') return { op: 'reserve', pool, tenantId, units, key, ttlMs };
    const known = [...this.#tokens][asked.reservation % Math.max(1, this.#tokens.size)];
    if (known === undefined) return null;
    const [reservationId, { tenantId: owner, tokens }] = known;
    const fencingToken = tokens[asked.token] ?? tokens[0] ?? 0n;
    const holding = { tenantId: tenantId === 'nobody' ? 'beta' : owner, reservationId, fencingToken };
    switch (asked.what) {
      case 'confirm':
        return { op: 'confirm', ...holding, ttlMs: ttlMs === 50 ? null : ttlMs };
      case 'renew':
        return { op: 'renew', ...holding, key, ttlMs };
      case 'release':
        return { op: 'release', ...holding };
    }
  }

  /** Looks at the pool from outside, again and again, until it is stopped. */
  #watch(): { stop: () => Promise<void> } {
    const [fixed = ''] = this.#pools;
    const watch = new AbortController();
    const watching = (async () => {
      do {
        const { live, open, booked } = await poolTruth(bed.owner, fixed);
        expect([live <= open, open, booked <= FIXED_SIZE]).toEqual([true, booked, true]);
      } while (!watch.signal.aborted);
    })();
    return {
      stop: () => {
        watch.abort();
        return watching;
      },
    };
  }

  async #kill(times: number): Promise<void> {
    for (let time = 0; time < times; time++)
      await bed.owner.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'gate' ORDER BY random() LIMIT 2`,
      );
  }

  #remember(happened: readonly Happened[]): void {
    for (const { answer, operation } of happened) {
      const { reservationId, fencingToken } = answer ?? {};
      if (reservationId === undefined || fencingToken === undefined || operation.op === 'resize') continue;
      const known = this.#tokens.get(reservationId) ?? { tenantId: operation.tenantId, tokens: [] };
      if (!known.tokens.includes(fencingToken)) known.tokens.unshift(fencingToken);
      known.tokens.sort((a, b) => (a > b ? -1 : 1));
      this.#tokens.set(reservationId, known);
    }
  }

  async #compare(): Promise<void> {
    for (const pool of this.#pools) {
      const { size, booked, open, live } = await poolTruth(bed.owner, pool);
      expect({ size, live, booked }).toEqual({
        size: this.#state.sizes.get(pool),
        live: reservedIn(this.#state, pool, this.#now),
        booked: open,
      });
    }
    const rows = await bed.owner.query<{ id: string }>(
      `SELECT id FROM meterhouse.capacity_reservations
       WHERE pool_id = ANY ($1) AND state IN ('held', 'confirmed')
         AND (expires_at IS NULL OR expires_at > meterhouse.capacity_now())`,
      [this.#pools],
    );
    const live = this.#state.reservations
      .filter((one) => isLive(one, this.#now))
      .map(({ id }) => id.toString());
    expect(rows.rows.map(({ id }) => id).sort()).toEqual(live.sort());
  }
}

async function deliver(operation: Operation, delivery: Delivery): Promise<Happened[]> {
  const once = (): Promise<Happened[]> => carryOut(operation);
  if (operation.op === 'resize' || delivery === 'once') return once();
  if (delivery === 'twice at once') return (await Promise.all([once(), once()])).flat();
  // The client never saw the first answer; the test did.
  return [...(await once()), ...(await once())];
}

const MOST_TRIES = 20;

/** As a client would: a call that Postgres did not answer is made again. */
async function carryOut(operation: Operation): Promise<Happened[]> {
  for (let attempt = 1; ; attempt++)
    try {
      const answer = await call(operation);
      const happened = { operation, answer };
      return attempt === 1 ? [happened] : [{ operation, answer: null, later: answer }, happened];
    } catch (error) {
      if (!isRetryable(error) || attempt === MOST_TRIES) throw error;
    }
}

async function call(operation: Operation): Promise<Observed> {
  const by = 'model';
  switch (operation.op) {
    case 'reserve':
      return lasting(await reserve(bed.gate, without(operation, by)));
    case 'confirm':
      return lasting(await confirm(bed.gate, without(operation, by)));
    case 'renew':
      return lasting(await renew(bed.gate, without(operation, by)));
    case 'release':
      return lasting(await release(bed.gate, without(operation, by)));
    case 'resize': {
      const [applied] = await inTransaction(bed.operator, (client) =>
        applyPools(client, [{ id: operation.pool, unit: 'gpu', size: operation.size }], { by }),
      );
      return { kind: 'resized', sizeBefore: applied?.sizeBefore } as Observed;
    }
  }
}

function without<Op extends Operation>(operation: Op, by: string): Omit<Op, 'op'> & { by: string } {
  const { op: _, ...request } = operation;
  return { ...request, by };
}

const shown = (value: unknown): string =>
  JSON.stringify(value, (_, field: unknown) => (typeof field === 'bigint' ? `${field}n` : field), 1);

test(
  'whatever parallel clients do, they get the answers of the reference in some order',
  { timeout: 300_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(round, { minLength: 5, maxLength: 25 }), async (rounds) => {
        const run = await Run.start();
        for (const each of rounds) await run.play(each);
      }),
      { numRuns: 25, endOnFailure: true },
    );
  },
);
