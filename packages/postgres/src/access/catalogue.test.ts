/**
 * Guarantees, by what Postgres' catalogue says:
 *  - I9: every table is of the platform or secured: row-level security enabled and forced, with a policy
 *    that keeps meterhouse_api within its scope; no view, function or role goes round it
 *  - each of these is found when it is open
 *  - meterhouse_api may exactly what it needs; so may who counts directly, records, and relays
 *  - services and people pay nothing for it: their plans are those of a table without policies
 *  - a tenant's plan goes by the primary key, and works its scope out once a statement
 */
import { afterAll, expect, test } from 'vitest';
import type { PoolClient, Role } from '../pool.ts';
import { accessGaps, rightsOf } from './catalogue.testing.ts';
import { accessBed, undone } from './testing.ts';

const bed = await accessBed(afterAll);
const { owner } = bed;
// So many that a plan says what it would do in earnest.
await owner.query(`INSERT INTO meterhouse.usage_hourly
      (tenant_id, metric, hour, sum, count, min, max, latest, latest_ts, latest_id, revision)
    SELECT 't' || t, 'm', timestamptz '2026-01-01' + h * interval '1 hour', 1, 1, 1, 1, 1, now(), 'x', 1
    FROM generate_series(1, 100) AS t, generate_series(1, 100) AS h`);
await owner.query('ANALYZE meterhouse.usage_hourly');

test('I9: nothing is open', async () => {
  expect(await accessGaps(owner)).toEqual([]);
});

test.each([
  [
    `CREATE TABLE meterhouse.extra (x integer)`,
    [
      'extra: no policy that keeps meterhouse_api within its scope',
      'extra: row-level security is not enabled and forced',
    ],
  ],
  [
    `ALTER TABLE meterhouse.tailers ADD COLUMN tenant_id text`,
    ['tailers: row-level security is not enabled and forced'],
  ],
  [
    `ALTER TABLE meterhouse.usage_hourly NO FORCE ROW LEVEL SECURITY`,
    ['usage_hourly: row-level security is not enabled and forced'],
  ],
  [
    `ALTER TABLE meterhouse.decisions DISABLE ROW LEVEL SECURITY`,
    ['decisions: row-level security is not enabled and forced'],
  ],
  [
    `DROP POLICY tenant ON meterhouse.quarantine`,
    ['quarantine: no policy that keeps meterhouse_api within its scope'],
  ],
  [
    `ALTER POLICY tenant ON meterhouse.api_keys USING (true)`,
    ['api_keys: no policy that keeps meterhouse_api within its scope'],
  ],
  [
    `CREATE POLICY more ON meterhouse.decisions TO meterhouse_api USING (true)`,
    ['decisions: policy more is for meterhouse_api or for everybody'],
  ],
  [
    `ALTER POLICY services ON meterhouse.change_log TO PUBLIC`,
    ['change_log: policy services is for meterhouse_api or for everybody'],
  ],
  [
    `ALTER TABLE meterhouse.seen_events_p0 NO FORCE ROW LEVEL SECURITY`,
    ['seen_events_p0: row-level security is not enabled and forced'],
  ],
  [
    `GRANT SELECT ON meterhouse.seen_events_p0 TO meterhouse_reader`,
    ['seen_events_p0: a partition with rights or policies of its own'],
  ],
  [
    `CREATE VIEW meterhouse.extra AS SELECT * FROM meterhouse.usage_hourly`,
    ['extra: a view that is read with its owner’s rights'],
  ],
  [
    `CREATE MATERIALIZED VIEW meterhouse.extra AS SELECT * FROM meterhouse.usage_hourly`,
    ['extra: a copy that no policy guards'],
  ],
  [`GRANT SELECT ON meterhouse.metrics TO PUBLIC`, ['metrics: rights for everybody']],
  [
    `CREATE FUNCTION meterhouse.extra() RETURNS integer LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'`,
    [
      'extra: everybody may call it, with its owner’s rights',
      'extra: works with its owner’s rights, on whatever path its caller sets',
    ],
  ],
  [`ALTER ROLE meterhouse_api BYPASSRLS`, ['meterhouse_api: may more than its grants say']],
  [`GRANT meterhouse_reader TO meterhouse_api`, ['meterhouse_api is a member of meterhouse_reader']],
  [
    `ALTER TABLE meterhouse.metrics OWNER TO meterhouse_operator`,
    ['metrics: belongs to meterhouse_operator'],
  ],
])('I9: %s is found', async (statement, gaps) => {
  const found = await undone(owner, null, [statement], async (client) => {
    await client.query('RESET ROLE');
    return accessGaps(client);
  });
  expect(found).toEqual(gaps);
});

test('meterhouse_api may exactly this', async () => {
  expect(await rightsOf(owner, 'meterhouse_api')).toEqual([
    'api_key_to_check()',
    'api_key_touch()',
    'api_keys: INSERT, SELECT, UPDATE',
    'audit_log: INSERT, SELECT',
    'capacity_history: SELECT',
    'capacity_reservations: SELECT',
    'decisions: SELECT',
    'direct_complete_through()',
    'metrics: SELECT',
    'progress: SELECT',
    'quarantine: SELECT, UPDATE',
    'quarantine_history: INSERT, SELECT',
    'registry_changes: SELECT',
    'registry_stands()',
    'registry_version: SELECT',
    'tenant_capacity_confirm()',
    'tenant_capacity_release()',
    'tenant_capacity_renew()',
    'tenant_capacity_reserve()',
    'tenants: SELECT',
    'usage_daily: SELECT',
    'usage_hourly: SELECT',
    'visible_tenants()',
    'webhook_deliveries: INSERT, SELECT, UPDATE',
    'webhook_subscriptions: DELETE, INSERT, SELECT, UPDATE',
  ]);
});

test('meterhouse_producer may exactly this: count, and read what it counted', async () => {
  expect(await rightsOf(owner, 'meterhouse_producer')).toEqual([
    'change_log: INSERT',
    'direct_complete_through()',
    'ensure_seen_periods()',
    'metrics: SELECT',
    'progress: INSERT, SELECT, UPDATE',
    'quarantine: INSERT, SELECT, UPDATE',
    'quarantine_history: INSERT',
    'record_usage()',
    'registry_changes: SELECT',
    'registry_version: SELECT',
    'seen_events: INSERT, SELECT',
    'seen_periods()',
    'tenants: SELECT',
    'usage_hourly: INSERT, SELECT, UPDATE',
    'visible_tenants()',
  ]);
});

test('meterhouse_recorder may put events into the outbox, and meterhouse_relay take them out', async () => {
  expect(await rightsOf(owner, 'meterhouse_recorder')).toEqual(['record_usage()']);
  expect(await rightsOf(owner, 'meterhouse_relay')).toEqual([
    'outbox_lanes: SELECT, UPDATE',
    'outbox_last_seq()',
    'outbox_relays: DELETE, INSERT, SELECT, UPDATE',
    'outbox_state: SELECT, UPDATE',
    'usage_outbox: DELETE, SELECT',
  ]);
});

async function planOf(client: PoolClient, statement: string): Promise<string> {
  const result = await client.query<{ 'QUERY PLAN': string }>(`EXPLAIN (COSTS OFF) ${statement}`);
  return result.rows.map((row) => row['QUERY PLAN']).join('\n');
}

const HOURS = `SELECT * FROM meterhouse.usage_hourly WHERE metric = 'm' AND hour >= '2026-01-01' AND hour < '2026-02-01'`;

test.each<[Role, string]>([
  ['meterhouse_aggregator', `${HOURS} AND tenant_id = 'a' AND attrs = '{}'`],
  [
    'meterhouse_aggregator',
    `INSERT INTO meterhouse.usage_hourly
       (tenant_id, metric, hour, attrs, sum, count, min, max, latest, latest_ts, latest_id, revision)
     SELECT 'a', 'm', now(), '{}', 1, 1, 1, 1, 1, now(), 'x', 1 FROM generate_series(1, 10)
     ON CONFLICT (tenant_id, metric, hour, attrs) DO UPDATE SET sum = usage_hourly.sum + excluded.sum`,
  ],
  [
    'meterhouse_aggregator',
    `INSERT INTO meterhouse.seen_events SELECT gen_random_uuid(), 1, 1, 1, 0 FROM generate_series(1, 10)`,
  ],
  [
    'meterhouse_aggregator',
    `SELECT FROM meterhouse.seen_events WHERE period = 0 AND event_key = gen_random_uuid() AND tenant_number = 1`,
  ],
  [
    'meterhouse_snapshot',
    `SELECT * FROM meterhouse.change_log WHERE source = 's' AND partition = 0 AND next_offset > 5`,
  ],
  ['meterhouse_reader', `SELECT * FROM meterhouse.usage_daily WHERE tenant_id = 'a'`],
  ['meterhouse_operator', `SELECT * FROM meterhouse.quarantine WHERE status = 'waiting' FOR UPDATE`],
  [
    'meterhouse_decisions',
    `INSERT INTO meterhouse.decisions
       (id, at, tenant_id, outcome, reason, correlation_id, actor_type, actor_id, registry_version, record)
     SELECT gen_random_uuid(), now(), 'a', 'deny', 'r', 'c', 't', 'a', 1, '{}' FROM generate_series(1, 10)
     ON CONFLICT DO NOTHING`,
  ],
])('%s pays nothing: %s', async (role, statement) => {
  const client = await bed.poolAs(role).connect();
  const asOwner = await owner.connect();
  try {
    // The owner here is a superuser: no policy touches it.
    expect(await planOf(client, statement)).toBe(await planOf(asOwner, statement));
  } finally {
    client.release();
    asOwner.release();
  }
});

test.each([
  ['a leaf', 'a1', `${HOURS} AND tenant_id = 'a1'`],
  ['a subtree', 'a', `${HOURS} AND tenant_id IN ('a', 'a1', 'a2')`],
  ['all that it may see', 'a', HOURS],
])('a tenant reads %s by the primary key', async (_what, scope, statement) => {
  const plan = await undone(owner, scope, [], (client) => planOf(client, statement));
  expect(plan).toMatch(/Index Scan (using|on) usage_hourly_pkey/);
  expect(plan).toContain('InitPlan');
  expect(plan).not.toContain('SubPlan');
  // Once a statement: nowhere but in what is worked out beforehand.
  expect(plan.split('visible_tenants()').length - 1).toBeLessThanOrEqual(1);
});
