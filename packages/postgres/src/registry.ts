import type { Aggregation, Metric, RegisteredTenant, Registry } from '@meterhouse/usage';
import type { Db } from './pool.ts';

interface RegistryRow {
  version: string;
  tenants: [id: string, number: number, name: string, parent: string | null][] | null;
  metrics:
    | [
        name: string,
        unit: string,
        aggregation: Aggregation,
        scale: number,
        family: string,
        groupBy: string[],
      ][]
    | null;
}

/** Reads tenants, metrics and the version that they make up in one statement, so they belong together. */
export async function loadRegistry(db: Db): Promise<Registry> {
  const result = await db.query<RegistryRow>(
    `SELECT (SELECT version FROM meterhouse.registry_version)::text AS version,
            (SELECT json_agg(json_build_array(id, number, name, parent)) FROM meterhouse.tenants) AS tenants,
            (SELECT json_agg(json_build_array(name, unit, aggregation, scale, family, group_by)) FROM meterhouse.metrics) AS metrics`,
  );
  const row = result.rows[0];
  if (row === undefined) throw new Error('the registry has no version row: run "meterhouse migrate"');
  const tenants = new Map<string, RegisteredTenant>();
  for (const [id, number, name, parent] of row.tenants ?? []) tenants.set(id, { id, number, name, parent });
  const metrics = new Map<string, Metric>();
  for (const [name, unit, aggregation, scale, family, groupBy] of row.metrics ?? [])
    metrics.set(name, { name, unit, aggregation, scale, family, groupBy });
  return { version: BigInt(row.version), tenants, metrics };
}

/** Every registered metric by name. */
export async function readMetrics(db: Db): Promise<ReadonlyMap<string, Metric>> {
  const result = await db.query<Metric>(
    'SELECT name, unit, aggregation, scale, family, group_by AS "groupBy" FROM meterhouse.metrics',
  );
  return new Map(result.rows.map((metric) => [metric.name, metric]));
}
