/**
 * Reading usage: the hour buckets of a tenant, or of all below it, by period and by attribute. The one
 * way in which `meterhouse usage` and the HTTP API read it.
 */
import {
  type Aggregation,
  type Metric,
  type Totals,
  totalsFromStore,
  type StoredTotals,
} from '@meterhouse/usage';
import type { Db } from '../pool.ts';

/** Whose: its own; a row for each tenant of its subtree; or all of the subtree added up, under its own name. */
export type UsageTenants = 'own' | 'each' | 'together';
/** A day is a UTC day. */
export type UsagePeriod = 'hour' | 'day' | 'total';

export interface UsageQuestion {
  readonly tenantId: string;
  readonly tenants: UsageTenants;
  /** Null: every one. */
  readonly metrics: readonly string[] | null;
  /** Epoch ms, on the hour: from is in, to is not. */
  readonly from: number;
  readonly to: number;
  /** A list: where periods begin, epoch ms on the hour, ascending, the first at `from`. */
  readonly by: UsagePeriod | readonly number[];
  /** Attributes that split the rows, at most 8; the others are added up. */
  readonly groupBy?: readonly string[];
  /** Only buckets that have one of the values, for each attribute. */
  readonly where?: readonly AttributeFilter[];
  /** Only rows after this one, in the order of the answer. */
  readonly after?: UsageKey | null;
  /** Rows at most; one more is read, so that the caller can tell. */
  readonly maxRows: number;
}

export interface AttributeFilter {
  readonly attribute: string;
  readonly values: readonly string[];
}

/** What no two rows of an answer share. */
export interface UsageKey {
  readonly tenantId: string;
  readonly metric: string;
  /** Epoch ms. Of the period, or where the question cuts it, of the part that is asked about. */
  readonly periodStart: number;
  /** Of each attribute of `groupBy`, its value; null where the events carry none. */
  readonly attrs: readonly (string | null)[];
}

export interface UsageRow extends UsageKey, Totals {
  readonly unit: string;
  readonly aggregation: Aggregation;
  /** How many of the events came late; null: of some it was not written down. */
  readonly late: bigint | null;
}

/** The tenant's subtree, parents before children; `depth` 0 is the tenant itself. Empty when it is not registered. */
export async function readSubtree(
  db: Db,
  tenantId: string,
): Promise<readonly { id: string; name: string; depth: number }[]> {
  const result = await db.query<{ id: string; name: string; depth: number }>(
    `WITH RECURSIVE below AS (
       SELECT id, name, 0 AS depth, ARRAY[id] AS path FROM meterhouse.tenants WHERE id = $1
       UNION ALL
       SELECT t.id, t.name, b.depth + 1, b.path || t.id
       FROM meterhouse.tenants AS t JOIN below AS b ON t.parent = b.id
     )
     SELECT id, name, depth FROM below ORDER BY path`,
    [tenantId],
  );
  return result.rows;
}

/**
 * Rows in the order of tenant, metric, period and attributes.
 * @param metrics the registry's, read at the same point
 */
export async function readUsage(
  db: Db,
  question: UsageQuestion,
  metrics: ReadonlyMap<string, Metric>,
): Promise<readonly UsageRow[]> {
  const result = await db.query<StoredRow>(usageStatement(question));
  return result.rows.map((row) => {
    const metric = metrics.get(row.metric);
    if (metric === undefined) throw new Error(`there is usage of ${row.metric}, which is not registered`);
    return {
      tenantId: row.tenant_id,
      metric: row.metric,
      unit: metric.unit,
      aggregation: metric.aggregation,
      periodStart: Number(row.period_ms),
      attrs: row.attrs,
      late: row.late === null ? null : BigInt(row.late),
      ...totalsFromStore(row),
    };
  });
}

interface StoredRow extends StoredTotals {
  tenant_id: string;
  metric: string;
  period_ms: string;
  attrs: (string | null)[];
  late: string | null;
}

/** Everything that comes from outside is a parameter; what is put together here is only their number. */
function usageStatement(question: UsageQuestion): { text: string; values: unknown[] } {
  const values: unknown[] = [];
  const parameter = (value: unknown): string => `$${values.push(value)}`;
  const root = parameter(question.tenantId);
  const below = parameter(question.tenants !== 'own');
  const rows = rowsOf(question, parameter);
  const limit = parameter(question.maxRows + 1);
  const chosen = `WITH RECURSIVE chosen AS (
     SELECT id FROM meterhouse.tenants WHERE id = ${root}
     UNION ALL
     SELECT t.id FROM meterhouse.tenants AS t JOIN chosen AS c ON t.parent = c.id WHERE ${below}
   )`;
  if (question.tenants === 'together')
    return {
      text: `${chosen} SELECT ${root} AS tenant_id, ${SHOWN} FROM (
               ${rows('u.tenant_id = ANY (ARRAY(SELECT id FROM chosen))', 'false')}
             ) AS r ORDER BY metric, period, attrs LIMIT ${limit}`,
      values,
    };
  // Tenant by tenant, so that a page reads the buckets of the tenants that are on it and no others.
  const after = parameter(question.after?.tenantId ?? '');
  return {
    text: `${chosen} SELECT c.id AS tenant_id, ${SHOWN}
           FROM (SELECT id FROM chosen WHERE id >= ${after} ORDER BY id) AS c
           CROSS JOIN LATERAL (${rows('u.tenant_id = c.id', `c.id > ${after}`)}) AS r
           ORDER BY c.id, metric, period, attrs LIMIT ${limit}`,
    values,
  };
}

const SHOWN = `metric, (extract(epoch FROM period) * 1000)::bigint AS period_ms, attrs,
  sum, count, min, max, latest, (extract(epoch FROM latest_ts) * 1000)::bigint AS latest_ts_ms, latest_id, late`;

/** @returns the grouped buckets of the tenants that the condition chooses; where the second holds, from the first row on */
function rowsOf(
  question: UsageQuestion,
  parameter: (value: unknown) => string,
): (ofTenants: string, fromTheFirst: string) => string {
  const { metrics, groupBy = [], where = [], after = null } = question;
  const metricNames = parameter(metrics);
  const from = parameter(instant(question.from));
  const to = parameter(instant(question.to));
  const period = periodOf(question.by, from, parameter);
  const attrs = groupBy.map((name) => `(u.attrs ->> ${parameter(name)}::text) COLLATE "C"`);
  const filters = where.map(
    ({ attribute, values }) =>
      `AND u.attrs ->> ${parameter(attribute)}::text = ANY (${parameter(values)}::text[])`,
  );
  const grouped = groupBy.length === 0 ? `'{}'::text[]` : `ARRAY[${attrs.join(', ')}]`;
  const position =
    after === null
      ? null
      : `(${parameter(after.metric)}::text, ${parameter(instant(after.periodStart))}::timestamptz, ${parameter(after.attrs)}::text[])`;
  return (ofTenants, fromTheFirst) => `
    SELECT u.metric, ${period} AS period, ${grouped} AS attrs,
           sum(u.sum) AS sum, sum(u.count)::bigint AS count, min(u.min) AS min, max(u.max) AS max,
           (array_agg(u.latest ORDER BY ${LATEST_FIRST}))[1] AS latest,
           max(u.latest_ts) AS latest_ts,
           (array_agg(u.latest_id ORDER BY ${LATEST_FIRST}))[1] AS latest_id,
           CASE WHEN count(u.late) = count(*) THEN sum(u.late)::bigint END AS late
    FROM meterhouse.usage_hourly AS u
    WHERE ${ofTenants} AND (${metricNames}::text[] IS NULL OR u.metric = ANY (${metricNames}))
      AND u.hour >= ${from}::timestamptz AND u.hour < ${to}::timestamptz ${filters.join(' ')}
    GROUP BY 1, 2, 3
    ${position === null ? '' : `HAVING ${fromTheFirst} OR (u.metric, ${period}, ${grouped}) > ${position}`}`;
}

/** Ids are unique per tenant only: of two tenants' events with one id and time, the higher value counts as the later. */
const LATEST_FIRST = 'u.latest_ts DESC, u.latest_id DESC, u.latest DESC';

function periodOf(by: UsageQuestion['by'], from: string, parameter: (value: unknown) => string): string {
  switch (by) {
    case 'hour':
      return 'u.hour';
    case 'day':
      return `greatest(date_trunc('day', u.hour, 'UTC'), ${from}::timestamptz)`;
    case 'total':
      return `${from}::timestamptz`;
    default: {
      const starts = `${parameter(by.map(instant))}::timestamptz[]`;
      return `(${starts})[width_bucket(u.hour, ${starts})]`;
    }
  }
}

function instant(ts: number): string {
  return new Date(ts).toISOString();
}
