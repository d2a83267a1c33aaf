/**
 * What a person would do meanwhile: register a metric that producers already send, and ask for the
 * replay of what can be counted now.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { inTransaction, isRetryable, type Pool } from '@meterhouse/postgres';
import { LATE_METRIC, METRICS, TENANTS, type WorkloadMetric } from './workload/registry.ts';

const REPLAY_EVERY_MS = 4_000;
const RETRY_MS = 500;

/** Events that are only waiting for the schema registry or for the late metric. */
const REPLAYABLE = `(reason = 'schema_unavailable' OR metric = '${LATE_METRIC.name}')`;

export async function registerWorkload(pool: Pool): Promise<void> {
  await inTransaction(pool, async (client) => {
    for (const { id, parent } of TENANTS)
      await client.query('INSERT INTO meterhouse.tenants (id, name, parent) VALUES ($1, $1, $2)', [
        id,
        parent,
      ]);
  });
  for (const metric of METRICS) await registerMetric(pool, metric);
}

/** Alone, as registrations are: no flush commits meanwhile. */
async function registerMetric(pool: Pool, metric: WorkloadMetric): Promise<void> {
  await inTransaction(pool, async (client) => {
    await client.query(`SELECT pg_advisory_xact_lock(hashtext('meterhouse.registry'))`);
    await client.query(
      `INSERT INTO meterhouse.metrics (name, unit, aggregation, scale, family, group_by)
       VALUES ($1, $2, $3, $4, 'compute', $5) ON CONFLICT DO NOTHING`,
      [metric.name, metric.unit, metric.aggregation, metric.scale, metric.groupBy],
    );
    await client.query('UPDATE meterhouse.registry_version SET version = version + 1');
  });
}

/** @returns how many events still wait for a replay or for its outcome */
export async function requestReplays(pool: Pool): Promise<number> {
  await pool.query(
    `UPDATE meterhouse.quarantine SET status = 'replay_requested' WHERE status = 'waiting' AND ${REPLAYABLE}`,
  );
  const open = await pool.query<{ count: string }>(
    `SELECT count(*) FROM meterhouse.quarantine WHERE status = 'replay_requested'`,
  );
  return Number(open.rows[0]?.count ?? 0);
}

export class Operator {
  readonly #pool: Pool;
  readonly #stopping = new AbortController();
  readonly #done: Promise<void>;

  /** @param lateMs when the late metric is registered */
  constructor(pool: Pool, lateMs: number) {
    this.#pool = pool;
    this.#done = this.#work(lateMs);
    // Awaited by `stop`; until then a failure must not count as unhandled.
    this.#done.catch(() => undefined);
  }

  /** Resolves when the late metric is registered at the latest. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#done;
  }

  async #work(lateMs: number): Promise<void> {
    const { signal } = this.#stopping;
    await delay(lateMs, undefined, { signal }).catch(() => undefined);
    await this.#persist(() => registerMetric(this.#pool, LATE_METRIC));
    while (!signal.aborted) {
      await this.#persist(() => requestReplays(this.#pool));
      await delay(REPLAY_EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Postgres goes away now and then: tried again until it works. */
  async #persist(work: () => Promise<unknown>): Promise<void> {
    for (;;) {
      try {
        await work();
        return;
      } catch (error) {
        if (!isRetryable(error)) throw error;
        await delay(RETRY_MS);
      }
    }
  }
}
