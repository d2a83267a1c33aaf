/**
 * Guarantees, on a real Postgres:
 * - Retention takes away what was received longer ago than is kept, bounded in each round, and nothing else.
 * - The decisions are only added to: the service, operators and readers can neither change nor delete one,
 *   and the service cannot say when it received it.
 */
import { forgetDecisions } from '@meterhouse/postgres/decisions';
import { waitFor } from '@meterhouse/runtime';
import { DAY_MS } from '@meterhouse/usage';
import { expect, test } from 'vitest';
import { changeLogBed } from '@meterhouse/postgres/testing';
import { DEADLINE_MS, decisionBed } from './testing/decision-bed.ts';

const INSERT = `INSERT INTO meterhouse.decisions
  (id, at, received_at, tenant_id, outcome, reason, correlation_id, actor_type, actor_id, registry_version, record)
  SELECT gen_random_uuid(), now(), now() - d * interval '1 day', 'acme', 'deny', 'ok', 'c', 'user', 'ann', 1, '{}'
  FROM unnest($1::integer[]) AS d`;

test('old decisions and old unreadable messages go, bounded; younger ones stay', async () => {
  const bed = await changeLogBed();
  const { pool } = bed;
  await pool.query(INSERT, [[0, 399, 401, 402, 403]]);
  await pool.query(
    `INSERT INTO meterhouse.unreadable_decisions (topic, partition, "offset", received_at, reason, detail)
     SELECT 't', 0, d, now() - d * interval '1 day', 'undecodable', '' FROM unnest($1::integer[]) AS d`,
    [[1, 500]],
  );
  const service = bed.poolAs('meterhouse_decisions');
  const sweep = (maxRows: number) => forgetDecisions(service, { keepMs: 400 * DAY_MS, maxRows });
  expect(await sweep(2)).toBe(2);
  expect(await sweep(2)).toBe(2);
  expect(await sweep(2)).toBe(0);
  const left = await pool.query(
    'SELECT (SELECT count(*)::int FROM meterhouse.decisions) AS d, (SELECT count(*)::int FROM meterhouse.unreadable_decisions) AS u',
  );
  expect(left.rows[0]).toEqual({ d: 2, u: 1 });
  await expect(forgetDecisions(service, { keepMs: DAY_MS - 1, maxRows: 1 })).rejects.toThrow(
    'a day at least',
  );
});

test('a running log forgets by itself', async () => {
  const bed = await decisionBed();
  await bed.pool.query(INSERT, [[0, 1, 2, 3, 4, 5]]);
  await bed.start({ keepMs: 2.5 * DAY_MS, bounds: { sweepRows: 1 } });
  await waitFor('the old ones to go', async () => ((await bed.kept()).length === 3 ? true : undefined), {
    deadlineMs: DEADLINE_MS,
  });
});

test.each(['meterhouse_decisions', 'meterhouse_operator', 'meterhouse_reader'] as const)(
  '%s can change and delete nothing',
  async (role) => {
    const bed = await changeLogBed();
    await bed.pool.query(INSERT, [[0]]);
    const session = bed.poolAs(role);
    for (const statement of [
      `UPDATE meterhouse.decisions SET outcome = 'allow'`,
      'DELETE FROM meterhouse.decisions',
      'TRUNCATE meterhouse.decisions',
      'DELETE FROM meterhouse.unreadable_decisions',
      'ALTER TABLE meterhouse.decisions DROP COLUMN record',
      `INSERT INTO meterhouse.decisions (received_at) VALUES (now() - interval '1 year')`,
    ])
      await expect(session.query(statement)).rejects.toMatchObject({ code: '42501' });
    const reading = session.query('SELECT FROM meterhouse.decisions');
    if (role === 'meterhouse_decisions') await expect(reading).rejects.toMatchObject({ code: '42501' });
    else expect((await reading).rowCount).toBe(1);
  },
);
