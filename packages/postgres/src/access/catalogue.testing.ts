/** What Postgres' own catalogue says about who may what in the schema. */
import type { Db } from '../pool.ts';

/** Tables that hold nothing of any one tenant. A table that is not named here has to be secured. */
const OF_THE_PLATFORM = [
  'audit_head',
  'capacity_pool_history',
  'capacity_pools',
  'decision_log_partitions',
  'metrics',
  'outbox_lanes',
  'outbox_relays',
  'outbox_state',
  'partition_resumptions',
  'producer_reports',
  'progress',
  'registry_version',
  'tailer_cursors',
  'tailers',
  'webhook_periods',
];
/** Tables with rows of many tenants at once: secured, and nothing for a single one. */
const NEVER_FOR_TENANTS = ['change_log', 'unreadable_decisions'];

const TABLES = `pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = 'meterhouse'`;
const API = `'meterhouse_api'::regrole::oid`;
const OURS = `(SELECT oid FROM pg_roles WHERE rolname LIKE 'meterhouse\\_%')`;

/** Each gives a row for what is open that should be shut. $1: OF_THE_PLATFORM; $2: NEVER_FOR_TENANTS. */
const GAPS = [
  // Whatever has a tenant's name on it counts, also where the list says otherwise.
  `SELECT c.relname || ': row-level security is not enabled and forced' FROM ${TABLES}
   WHERE c.relkind IN ('r', 'p') AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
     AND (c.relname <> ALL ($1::text[]) OR EXISTS (
       SELECT FROM pg_attribute AS a
       WHERE a.attrelid = c.oid AND a.attname IN ('tenant_id', 'tenant', 'tenant_number')))`,
  `SELECT c.relname || ': no policy that keeps meterhouse_api within its scope' FROM ${TABLES}
   WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> ALL ($1 || $2::text[])
     AND NOT EXISTS (
       SELECT FROM pg_policy AS p WHERE p.polrelid = c.oid AND p.polroles = ARRAY[${API}]
         AND pg_get_expr(p.polqual, p.polrelid) ~ 'visible_tenants\\(\\)|FROM (meterhouse\\.)?quarantine q')`,
  // More than one policy for a role shows what any of them shows.
  `SELECT c.relname || ': policy ' || p.polname || ' is for meterhouse_api or for everybody' FROM ${TABLES}
   JOIN pg_policy AS p ON p.polrelid = c.oid
   WHERE (${API} = ANY (p.polroles) OR 0::oid = ANY (p.polroles))
     AND (p.polname <> 'tenant' OR c.relname = ANY ($2) OR c.relispartition)`,
  `SELECT c.relname || ': a partition with rights or policies of its own' FROM ${TABLES}
   WHERE c.relispartition AND (EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = c.oid)
     OR EXISTS (SELECT FROM aclexplode(c.relacl) AS a WHERE a.grantee <> c.relowner))`,
  `SELECT c.relname || ': a view that is read with its owner’s rights' FROM ${TABLES}
   WHERE c.relkind = 'v' AND 'security_invoker=true' <> ALL (coalesce(c.reloptions, '{}'))`,
  `SELECT c.relname || ': a copy that no policy guards' FROM ${TABLES} WHERE c.relkind IN ('m', 'f')`,
  `SELECT c.relname || ': rights for everybody' FROM ${TABLES}, aclexplode(c.relacl) AS a WHERE a.grantee = 0`,
  `SELECT f.proname || ': everybody may call it, with its owner’s rights' FROM pg_proc AS f
   JOIN pg_namespace AS n ON n.oid = f.pronamespace AND n.nspname = 'meterhouse'
   WHERE f.prosecdef AND (f.proacl IS NULL OR EXISTS (SELECT FROM aclexplode(f.proacl) AS a WHERE a.grantee = 0))`,
  `SELECT f.proname || ': works with its owner’s rights, on whatever path its caller sets' FROM pg_proc AS f
   JOIN pg_namespace AS n ON n.oid = f.pronamespace AND n.nspname = 'meterhouse'
   WHERE f.prosecdef AND 'search_path=meterhouse, pg_temp' <> ALL (coalesce(f.proconfig, '{}'))`,
  `SELECT rolname || ': may more than its grants say' FROM pg_roles
   WHERE oid IN ${OURS} AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication OR rolcanlogin)`,
  `SELECT c.relname || ': belongs to ' || c.relowner::regrole FROM pg_class AS c
   WHERE c.relowner IN ${OURS} AND c.relkind NOT IN ('i', 'I', 't')`,
  `SELECT p.proname || ': belongs to ' || p.proowner::regrole FROM pg_proc AS p WHERE p.proowner IN ${OURS}`,
  `SELECT m.member::regrole || ' is a member of ' || m.roleid::regrole FROM pg_auth_members AS m
   WHERE m.member IN ${OURS}`,
];

/** What is open that should be shut; empty when all is well. */
export async function accessGaps(db: Db): Promise<readonly string[]> {
  const result = await db.query<{ gap: string }>(
    `SELECT gap FROM (${GAPS.join('\nUNION ALL\n')}) AS gaps(gap)
     WHERE $1::text[] IS NOT NULL AND $2::text[] IS NOT NULL ORDER BY gap`,
    [OF_THE_PLATFORM, NEVER_FOR_TENANTS],
  );
  return result.rows.map(({ gap }) => gap);
}

/** What a role may do, as `table: SELECT, UPDATE` and, of functions with their owner’s rights, `function()`; in order. */
export async function rightsOf(db: Db, role: string): Promise<readonly string[]> {
  const result = await db.query<{ may: string }>(
    `SELECT c.relname || ': ' || string_agg(may, ', ' ORDER BY may) AS may FROM ${TABLES},
       unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS may
     WHERE c.relkind IN ('r', 'p', 'v') AND CASE
       WHEN may IN ('DELETE', 'TRUNCATE', 'TRIGGER') THEN has_table_privilege($1::regrole, c.oid, may)
       ELSE has_any_column_privilege($1::regrole, c.oid, may) END
     GROUP BY c.relname
     UNION ALL
     SELECT f.proname || '()' FROM pg_proc AS f
     JOIN pg_namespace AS n ON n.oid = f.pronamespace AND n.nspname = 'meterhouse'
     WHERE f.prosecdef AND has_function_privilege($1::regrole, f.oid, 'EXECUTE')
     ORDER BY may`,
    [role],
  );
  return result.rows.map(({ may }) => may);
}
