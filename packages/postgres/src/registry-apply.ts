/** Changing the registry: one transaction, alone, with a new version at its end. */
import type { Pool, PoolClient } from 'pg';
import type { Db } from './pool.ts';
import {
  registryChangesSince,
  writeRegistryChanges,
  type ChangeAuthor,
  type RegistryChange,
  type StoredDocument,
} from './registry-changes.ts';
import { appendAudit, person, type AuditOrigin } from './access/audit-log.ts';
import { registryAudit } from './access/audited-registry.ts';
import { applyPools } from './capacity/index.ts';
import { inTransaction } from './transaction.ts';

export interface RegistryNow {
  readonly version: bigint;
  readonly documents: readonly StoredDocument[];
  /** Names of the metrics that have counted something: what they mean is settled. */
  readonly countedMetrics: ReadonlySet<string>;
}

/** Payload: the new version. A worker that hears it reloads the registry before the next flush refuses its old one. */
const REGISTRY_CHANNEL = 'meterhouse_registry';

export interface ChangeOptions {
  readonly author: ChangeAuthor;
  /** Decides, and writes nothing. */
  readonly dryRun: boolean;
  /** For the audit log; the author as a person where it is left out. */
  readonly origin?: AuditOrigin;
}

/** What was decided, and the registry's version afterwards: the same as before when nothing was written. */
export interface ChangedRegistry<Decided> {
  readonly version: bigint;
  readonly decided: Decided;
}

/** changeRegistryWithin() in a transaction of its own. */
export async function changeRegistry<Decided extends { readonly changes: readonly RegistryChange[] }>(
  pool: Pool,
  decide: (now: RegistryNow) => Decided,
  options: ChangeOptions,
): Promise<ChangedRegistry<Decided>> {
  return inTransaction(pool, (client) => changeRegistryWithin(client, decide, options));
}

/**
 * Reads the registry, lets `decide` say what to change, and writes it with who and why. No flush commits
 * between the reading and the writing: each holds the same lock, shared.
 * @param client in a transaction of the caller's, as meterhouse_operator, with nothing after this
 * @param decide pure; what it throws undoes everything
 */
export async function changeRegistryWithin<Decided extends { readonly changes: readonly RegistryChange[] }>(
  client: PoolClient,
  decide: (now: RegistryNow) => Decided,
  options: ChangeOptions,
): Promise<ChangedRegistry<Decided>> {
  await client.query(`SELECT pg_advisory_xact_lock(hashtext('meterhouse.registry'))`);
  const { version, documents } = await registryChangesSince(client, 0n);
  const decided = decide({ version, documents, countedMetrics: await countedMetrics(client) });
  const { changes } = decided;
  if (options.dryRun || changes.length === 0) return { version, decided };
  const of = (kind: string): unknown[] =>
    changes.filter((change) => change.kind === kind && change.after !== null).map(({ after }) => after);
  await writeTenants(client, of('tenant'));
  await writeMetrics(client, of('metric'));
  await writePools(client, of('pool'), options.author);
  const next = await raiseVersion(client);
  await writeRegistryChanges(client, next, changes, options.author);
  const origin = options.origin ?? { actor: person(options.author.by) };
  await appendAudit(client, registryAudit(next, changes, origin));
  return { version: next, decided };
}

/** Names of the metrics that have counted something. */
export async function countedMetrics(db: Db): Promise<ReadonlySet<string>> {
  const result = await db.query<{ name: string }>(
    `SELECT name FROM meterhouse.metrics AS m
     WHERE EXISTS (SELECT FROM meterhouse.usage_hourly AS u WHERE u.metric = m.name)`,
  );
  return new Set(result.rows.map((row) => row.name));
}

/** One statement, so that a child may stand before its parent: references are checked at its end. */
async function writeTenants(client: PoolClient, tenants: readonly unknown[]): Promise<void> {
  if (tenants.length === 0) return;
  await client.query(
    `INSERT INTO meterhouse.tenants (id, name, parent)
     SELECT t.id, t.name, t.parent FROM jsonb_to_recordset($1::jsonb) AS t(id text, name text, parent text)
     ON CONFLICT (id) DO UPDATE SET name = excluded.name, parent = excluded.parent`,
    [JSON.stringify(tenants)],
  );
}

async function writeMetrics(client: PoolClient, metrics: readonly unknown[]): Promise<void> {
  if (metrics.length === 0) return;
  await client.query(
    `INSERT INTO meterhouse.metrics (name, unit, aggregation, scale, family, group_by)
     SELECT m.name, m.unit, m.aggregation, m.scale, m.family, ARRAY(SELECT jsonb_array_elements_text(m."groupBy"))
     FROM jsonb_to_recordset($1::jsonb)
       AS m(name text, unit text, aggregation text, scale smallint, family text, "groupBy" jsonb)
     ON CONFLICT (name) DO UPDATE
     SET unit = excluded.unit, aggregation = excluded.aggregation, scale = excluded.scale,
         family = excluded.family, group_by = excluded.group_by`,
    [JSON.stringify(metrics)],
  );
}

/** Pools stand in a table of their own, whose rows are locked by those who reserve. */
async function writePools(
  client: PoolClient,
  pools: readonly unknown[],
  author: ChangeAuthor,
): Promise<void> {
  if (pools.length === 0) return;
  const sized = (pools as readonly { id: string; unit: string; size: number }[]).map(
    ({ id, unit, size }) => ({
      id,
      unit,
      size: BigInt(size),
    }),
  );
  await applyPools(client, sized, { by: author.by, reason: author.why });
}

async function raiseVersion(client: PoolClient): Promise<bigint> {
  const result = await client.query<{ version: string }>(
    `UPDATE meterhouse.registry_version SET version = version + 1 RETURNING version`,
  );
  const version = result.rows[0]?.version;
  if (version === undefined) throw new Error('the registry has no version row: run "meterhouse migrate"');
  await client.query(`SELECT pg_notify('${REGISTRY_CHANNEL}', $1)`, [version]);
  return BigInt(version);
}
