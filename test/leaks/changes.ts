/** Notes each change of a row, and whose row it was and is, so that a request's changes can be asked for. */
import type { Pool } from '@meterhouse/postgres';

export interface RowChange {
  readonly table: string;
  /** Null: of nobody in particular. */
  readonly tenant: string | null;
}

/** Those that change with any change, and say nothing about whose it was. */
const NOBODYS = ['audit_head'];

/** On every table of the schema, so that a table of tomorrow is watched tomorrow. */
export async function watchChanges(owner: Pool): Promise<void> {
  await owner.query(`
    CREATE SCHEMA leaks;
    CREATE TABLE leaks.changes (of_table text NOT NULL, tenant text);
    CREATE FUNCTION leaks.owner_of(of_table text, row_now jsonb) RETURNS text LANGUAGE sql STABLE AS $$
      SELECT CASE of_table
        WHEN 'tenants' THEN row_now ->> 'id'
        WHEN 'quarantine_history' THEN
          (SELECT tenant_id FROM meterhouse.quarantine WHERE id = (row_now ->> 'quarantine_id')::bigint)
        ELSE row_now ->> 'tenant_id'
      END $$;
    CREATE FUNCTION leaks.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
      -- That a key was used is noted beside the request, and of the key that asks.
      IF TG_OP = 'UPDATE' AND to_jsonb(NEW) - 'last_used_at' = to_jsonb(OLD) - 'last_used_at' THEN RETURN NULL; END IF;
      IF TG_OP <> 'INSERT' THEN
        INSERT INTO leaks.changes VALUES (TG_TABLE_NAME, leaks.owner_of(TG_TABLE_NAME, to_jsonb(OLD)));
      END IF;
      IF TG_OP <> 'DELETE' THEN
        INSERT INTO leaks.changes VALUES (TG_TABLE_NAME, leaks.owner_of(TG_TABLE_NAME, to_jsonb(NEW)));
      END IF;
      RETURN NULL;
    END $$`);
  const { rows } = await owner.query<{ name: string }>(
    `SELECT c.relname AS name FROM pg_class AS c
     WHERE c.relnamespace = 'meterhouse'::regnamespace AND c.relkind = 'r' AND NOT c.relispartition
       AND c.relname <> ALL ($1)`,
    [NOBODYS],
  );
  for (const { name } of rows)
    await owner.query(
      `CREATE TRIGGER leaks AFTER INSERT OR UPDATE OR DELETE ON meterhouse.${name}
         FOR EACH ROW EXECUTE FUNCTION leaks.note()`,
    );
}

/** Since the last call. */
export async function takeChanges(owner: Pool): Promise<readonly RowChange[]> {
  const { rows } = await owner.query<{ of_table: string; tenant: string | null }>(
    'WITH taken AS (DELETE FROM leaks.changes RETURNING *) SELECT DISTINCT of_table, tenant FROM taken',
  );
  return rows.map(({ of_table: table, tenant }) => ({ table, tenant }));
}

/** For the run that has to find leaks, and the one in which the API alone has to hold. */
export async function takeRowSecurityOut(owner: Pool): Promise<void> {
  const { rows } = await owner.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class
     WHERE relnamespace = 'meterhouse'::regnamespace AND relrowsecurity AND relkind IN ('r', 'p')`,
  );
  for (const { name } of rows)
    await owner.query(
      `ALTER TABLE meterhouse.${name} DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY`,
    );
}
