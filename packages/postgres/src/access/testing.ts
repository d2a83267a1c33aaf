/**
 * A database of its own with a tree of tenants, and rows of each of them in every table that has any:
 *
 *     top ── a ── a1, a2        foreign
 *         └─ b ── b1
 */
import pg from 'pg';
import { freshDatabase, sharedStack } from '@meterhouse/dev-stack/testing';
import { migratePostgres } from '../migrations.ts';
import { createPool, type Pool, type PoolClient, type Role } from '../pool.ts';
import { inTransaction } from '../transaction.ts';

const PARENTS = { top: null, a: 'top', a1: 'a', a2: 'a', b: 'top', b1: 'b', foreign: null } as const;
const TENANTS = Object.keys(PARENTS) as readonly (keyof typeof PARENTS)[];
/** What scope `a` is. */
export const OWN = ['a', 'a1', 'a2'];
/** An ancestor, siblings, and another tree. */
export const OTHERS = ['top', 'b', 'b1', 'foreign'];

interface SecuredTable {
  /** The tenant that a row is of, as SQL. */
  readonly tenant: string;
  /** A column that an update may set to itself. */
  readonly column: string;
  /** A row of tenant $1, unlike any that is there: $2 is a number that is not used again. */
  readonly insert: string;
  /** Also what lies in the scope cannot be changed, whatever is granted. */
  readonly readOnly?: true;
}

/** Every table with rows of tenants. */
export const SECURED: Readonly<Record<string, SecuredTable>> = {
  tenants: {
    tenant: 'id',
    column: 'name',
    insert: `INSERT INTO meterhouse.tenants (id, name, parent) SELECT $1 || '-child-' || $2::bigint, 'x', $1`,
    readOnly: true,
  },
  usage_hourly: {
    tenant: 'tenant_id',
    column: 'count',
    insert: `INSERT INTO meterhouse.usage_hourly
               (tenant_id, metric, hour, sum, count, min, max, latest, latest_ts, latest_id, revision)
             VALUES ($1, 'm', timestamptz 'epoch' + $2::bigint * interval '1 hour', 1, 1, 1, 1, 1, now(), 'x', 1)`,
  },
  seen_events: {
    tenant: '(SELECT id FROM meterhouse.tenants WHERE number = tenant_number)',
    column: 'content',
    insert: `INSERT INTO meterhouse.seen_events (event_key, content, flush_id, tenant_number, period)
             SELECT gen_random_uuid(), $2::bigint, 1, meterhouse_test.number_of($1), 0`,
  },
  quarantine: {
    tenant: 'tenant_id',
    column: 'status',
    insert: `INSERT INTO meterhouse.quarantine (source, partition, "offset", received_at, reason, detail, tenant_id, payload)
             VALUES ('s', 0, $2::bigint, now(), 'unknown_metric', '', $1, '')`,
  },
  usage_outbox: {
    tenant: 'tenant_id',
    column: 'event',
    insert: `INSERT INTO meterhouse.usage_outbox (lane, seq, tenant_id, event) VALUES (0, $2::bigint, $1, '{}')`,
  },
  quarantine_history: {
    tenant: '(SELECT tenant_id FROM meterhouse.quarantine AS q WHERE q.id = quarantine_id)',
    column: 'reason',
    insert: `INSERT INTO meterhouse.quarantine_history (quarantine_id, action, by, reason)
             SELECT meterhouse_test.quarantined_of($1), 'discarded', 'test', $2::bigint::text`,
  },
  registry_changes: {
    tenant: `CASE WHEN kind = 'tenant' THEN id ELSE coalesce(after, before) ->> 'tenant' END`,
    column: 'at',
    insert: `INSERT INTO meterhouse.registry_changes (kind, id, version, after, by, why)
             VALUES ('override', 'o-' || $2::bigint, 9, jsonb_build_object('tenant', $1::text), 'test', 'test')`,
  },
  decisions: {
    tenant: 'tenant_id',
    column: 'reason',
    insert: `INSERT INTO meterhouse.decisions
               (id, at, tenant_id, outcome, reason, correlation_id, actor_type, actor_id, registry_version, record)
             VALUES (gen_random_uuid(), now(), $1, 'deny', 'quota_exhausted', $2::bigint::text, 'user', 'u', 1, '{}')`,
  },
  capacity_reservations: {
    tenant: 'tenant_id',
    column: 'holder',
    insert: `INSERT INTO meterhouse.capacity_reservations
               (pool_id, tenant_id, key, units, ttl_ms, fencing_token, expires_at, holder, reserved_at)
             VALUES ('p', $1, $2::bigint::text, 1, 1000, 1, now(), 'test', now())`,
  },
  capacity_history: {
    tenant: 'tenant_id',
    column: 'reason',
    insert: `INSERT INTO meterhouse.capacity_history
               (reservation_id, at, action, by, reason, pool_id, tenant_id, key, units, fencing_token)
             VALUES ($2::bigint, now(), 'reserved', 'test', '', 'p', $1, 'k', 1, 1)`,
  },
  api_keys: {
    tenant: 'tenant_id',
    column: 'name',
    insert: `INSERT INTO meterhouse.api_keys (key_id, tenant_id, role, name, secret_hash, created_by)
             VALUES (lpad(to_hex($2::bigint), 16, '0'), $1, 'ingest', 'test', sha256('x'), 'test')`,
  },
  audit_log: {
    tenant: 'tenant_id',
    column: 'details',
    insert: `INSERT INTO meterhouse.audit_log (actor_type, actor_id, action, tenant_id, outcome, correlation_id)
             VALUES ('person', 'test', 'test', $1, 'done', $2::bigint::text)`,
  },
  webhook_subscriptions: {
    tenant: 'tenant_id',
    column: 'description',
    insert: `INSERT INTO meterhouse.webhook_subscriptions
               (id, tenant_id, url, description, events, thresholds, plan_thresholds, quiet_seconds, secret, created_by)
             VALUES (gen_random_uuid(), $1, 'https://example.com', $2::bigint::text, '{webhook.ping}', '{}', true, 60,
                     sha256('x'), 'test')`,
  },
  webhook_deliveries: {
    tenant: 'tenant_id',
    column: 'last_error',
    insert: `INSERT INTO meterhouse.webhook_deliveries
               (id, subscription_id, tenant_id, about_tenant, event_key, event_type, occurred_at, body, state, ended_at)
             VALUES (gen_random_uuid(), meterhouse_test.webhook_of($1), $1, $1, $2::bigint::text, 'webhook.ping', now(),
                     '{}', 'dead', now())`,
  },
};

export interface AccessBed {
  readonly url: string;
  /** With the rights of the database's owner. */
  readonly owner: Pool;
  readonly api: Pool;
  poolAs(role: Role): Pool;
  /** A number that was not given before. */
  readonly unique: () => number;
}

/** Everything is closed by `onEnd`. */
export async function accessBed(onEnd: (end: () => Promise<void>) => unknown): Promise<AccessBed> {
  const url = await freshDatabase(await sharedStack());
  await migratePostgres(url);
  const pools: Pool[] = [];
  onEnd(async () => {
    for (const pool of pools) await pool.end();
  });
  const open = (role?: Role): Pool => {
    const pool = createPool({ url, applicationName: 'test', ...(role === undefined ? {} : { role }) });
    pools.push(pool);
    return pool;
  };
  let numbers = 0;
  const bed = { url, owner: open(), api: open('meterhouse_api'), poolAs: open, unique: () => ++numbers };
  await fill(bed);
  return bed;
}

async function fill({ owner, unique }: AccessBed): Promise<void> {
  await owner.query(`SELECT meterhouse.ensure_seen_periods(0, 0)`);
  for (const [id, parent] of Object.entries(PARENTS))
    await owner.query('INSERT INTO meterhouse.tenants (id, name, parent) VALUES ($1, $1, $2)', [id, parent]);
  await owner.query(
    `INSERT INTO meterhouse.capacity_pools (id, unit, size) VALUES ('p', 'gpu', 100), ('free', 'gpu', 100)`,
  );
  // What a caller with stolen rights would know by other ways.
  await owner.query(`
    CREATE SCHEMA meterhouse_test;
    GRANT USAGE ON SCHEMA meterhouse_test TO meterhouse_api;
    CREATE FUNCTION meterhouse_test.number_of(text) RETURNS integer LANGUAGE sql STABLE SECURITY DEFINER
      AS 'SELECT number FROM meterhouse.tenants WHERE id = $1';
    CREATE FUNCTION meterhouse_test.quarantined_of(text) RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER
      AS 'SELECT min(id) FROM meterhouse.quarantine WHERE tenant_id = $1';
    CREATE FUNCTION meterhouse_test.webhook_of(text) RETURNS uuid LANGUAGE sql STABLE SECURITY DEFINER
      AS 'SELECT id FROM meterhouse.webhook_subscriptions WHERE tenant_id = $1 LIMIT 1'`);
  for (const [table, { insert }] of Object.entries(SECURED)) {
    if (table === 'tenants') continue;
    for (const tenant of TENANTS) await owner.query(insert, [tenant, unique()]);
  }
}

/** Runs work as meterhouse_api within a scope, after the owner has `prepared`; all of it is undone. */
export async function undone<T>(
  owner: Pool,
  scope: string | null,
  prepare: readonly string[],
  work: (client: PoolClient) => Promise<T>,
): Promise<T> {
  const undo = new Error('undone');
  let result: { readonly of: T } | undefined;
  await inTransaction(owner, async (client) => {
    for (const statement of prepare) await client.query(statement);
    await client.query('SET LOCAL ROLE meterhouse_api');
    if (scope !== null) await client.query(`SELECT set_config('meterhouse.tenant_scope', $1, true)`, [scope]);
    result = { of: await work(client) };
    throw undo;
  }).catch((error: unknown) => {
    if (error !== undo) throw error;
  });
  if (result === undefined) throw new Error('the work did not end');
  return result.of;
}

/** The SQLSTATE that the work ends with; undefined when it does not fail. */
export async function failureOf(work: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (error instanceof pg.DatabaseError) return error.code;
    throw error;
  }
}
export const FORBIDDEN = '42501';
