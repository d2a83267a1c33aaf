/**
 * Guarantees, on a real Postgres:
 *  - I2: an event that could not be read when it came is known once it was replayed: counted when it is
 *    sent again later, it does not wait in quarantine as well
 *  - the same event refused anew while its replay is settled: the replay is tried again, the row is one
 *  - an event that still cannot be counted after a replay waits in one row, with all its occurrences
 */
import type { Pool } from 'pg';
import { expect, test } from 'vitest';
import { contentDigest } from '@meterhouse/usage';
import { waitFor } from '@meterhouse/runtime';
import { isRetryable } from '../errors.ts';
import { anEvent, flushBed, flushNext, NOW, valueOf } from './testing.ts';

const UNREAD = { event: null, reason: 'schema_unavailable' } as const;
const STRANGER = anEvent({ id: 'strange', tenantId: 'nobody', value: '5' });
const REFUSED = { event: STRANGER, reason: 'unknown_tenant' } as const;

async function replay(pool: Pool, worker: Pool, ids: readonly bigint[]): Promise<void> {
  await pool.query(
    `UPDATE meterhouse.quarantine SET status = 'replay_requested' WHERE id = ANY ($1::bigint[])`,
    [ids.map(String)],
  );
  await flushNext(
    worker,
    ids.map(() => REFUSED),
    { source: 'quarantine', replayOf: ids },
  );
}

async function rows(pool: Pool): Promise<unknown[]> {
  const result = await pool.query<{ row: string }>(
    `SELECT concat_ws(' ', id, status, reason, tenant_id, event_id, metric, trim_scale(value::numeric), extract(epoch FROM event_ts) * 1000,
                      'x' || occurrences) AS row
     FROM meterhouse.quarantine ORDER BY id`,
  );
  return result.rows.map(({ row }) => row.replace('.000000', ''));
}

const KNOWN = `nobody strange calls 5 ${NOW}`;

test('what could not be read and is refused after its replay waits in the first of its rows', async () => {
  const { pool, worker } = await flushBed();
  await flushNext(worker, [UNREAD, UNREAD]);
  await replay(pool, worker, [1n, 2n]);
  expect(await rows(pool)).toEqual([
    `1 waiting unknown_tenant ${KNOWN} x2`,
    `2 duplicate unknown_tenant ${KNOWN} x1`,
  ]);
});

test('where the event waits already, it goes on waiting there', async () => {
  const { pool, worker } = await flushBed();
  await flushNext(worker, [UNREAD, UNREAD]);
  await flushNext(worker, [REFUSED, REFUSED]);
  await replay(pool, worker, [1n, 2n]);
  expect(await rows(pool)).toEqual([
    `1 duplicate unknown_tenant ${KNOWN} x1`,
    `2 duplicate unknown_tenant ${KNOWN} x1`,
    `3 waiting unknown_tenant ${KNOWN} x4`,
  ]);
  const history = await pool.query(
    'SELECT quarantine_id AS id, action FROM meterhouse.quarantine_history ORDER BY 1',
  );
  expect(history.rows).toEqual([
    { id: '1', action: 'duplicate' },
    { id: '2', action: 'duplicate' },
  ]);
});

test('also when the row that waits is replayed with them', async () => {
  const { pool, worker } = await flushBed();
  await flushNext(worker, [UNREAD]);
  await flushNext(worker, [REFUSED]);
  await replay(pool, worker, [1n, 2n]);
  expect(await rows(pool)).toEqual([
    `1 duplicate unknown_tenant ${KNOWN} x1`,
    `2 waiting unknown_tenant ${KNOWN} x2`,
  ]);
});

test('I2: sent again and counted, it no longer waits', async () => {
  const { pool, worker } = await flushBed();
  await flushNext(worker, [UNREAD]);
  await replay(pool, worker, [1n]);
  await pool.query(
    `INSERT INTO meterhouse.tenants (id, name) VALUES ('nobody', 'Somebody');
     UPDATE meterhouse.registry_version SET version = version + 1`,
  );
  expect(await flushNext(worker, [{ event: STRANGER }])).toMatchObject({ counted: 1 });
  expect(await rows(pool)).toEqual([`1 counted unknown_tenant ${KNOWN} x1`]);
});

test('refused anew in the same moment, it waits in the new row once the replay is tried again', async () => {
  const { pool, worker } = await flushBed();
  await flushNext(worker, [UNREAD]);
  await pool.query(`UPDATE meterhouse.quarantine SET status = 'replay_requested'`);
  const settle = (): Promise<unknown> =>
    flushNext(worker, [REFUSED], { source: 'quarantine', replayOf: [1n] });
  const other = await pool.connect();
  let first: Promise<unknown>;
  try {
    await other.query(
      `BEGIN; INSERT INTO meterhouse.quarantine (source, partition, "offset", received_at, reason, detail, tenant_id, event_id, content, payload)
       SELECT source, partition, 99, received_at, 'unknown_tenant', '', 'nobody', 'strange', ${contentDigest(STRANGER, valueOf(STRANGER))}, '' FROM meterhouse.quarantine`,
    );
    first = settle().catch((error: unknown) => error);
    await waitFor(
      'the replay to wait for the other transaction',
      async () => {
        const { rowCount } = await pool.query(
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        );
        return rowCount === 1 ? true : undefined;
      },
      { deadlineMs: 10_000 },
    );
    await other.query('COMMIT');
  } finally {
    other.release();
  }
  expect(isRetryable(await first)).toBe(true);
  await settle();
  expect(await rows(pool)).toEqual([
    `1 duplicate unknown_tenant ${KNOWN} x1`,
    '2 waiting unknown_tenant nobody strange x2',
  ]);
});
