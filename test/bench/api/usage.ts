/**
 * GET /v1/usage over 90 days of 1,000 tenants by day, page by page, against the plain SQL for the same rows,
 * in turns. The SQL is given the tenants of the page and is not under row-level security.
 */
import type { Endpoints } from '@meterhouse/dev-stack';
import type { Pool } from '@meterhouse/postgres';
import { Releases } from '@meterhouse/runtime';
import { DAY_MS } from '@meterhouse/usage';
import { z } from 'zod';
import { loadSystem } from '../../load/system.ts';
import { quantile } from '../statistics.ts';

export interface ReadingFigures {
  /** Milliseconds. */
  readonly api: { readonly p50: number; readonly p99: number };
  readonly sql: { readonly p50: number; readonly p99: number };
  /** The API's p99 over the SQL's. */
  readonly p99Ratio: number;
  readonly requests: number;
}

const DAYS = 90;
const FROM = Date.UTC(2026, 7, 1);
const PAGE_ROWS = 1_000;
const WARM_UP = 10;

export async function measureReading(
  endpoints: Endpoints,
  { requests, say }: { readonly requests: number; readonly say: (line: string) => void },
): Promise<ReadingFigures> {
  const releases = new Releases();
  try {
    const { pool, url, key, startApi } = await loadSystem(endpoints, releases);
    await fill(pool);
    await startApi();
    const api: number[] = [];
    const sql: number[] = [];
    let cursor: string | null = null;
    for (let n = 0; n < WARM_UP + requests; n += 1) {
      const page = await readPage(url, key, cursor);
      const sqlMs = await readPlainly(pool, [...page.tenants], page.rows);
      cursor = page.nextCursor;
      if (n < WARM_UP) continue;
      api.push(page.ms);
      sql.push(sqlMs);
    }
    say(`read ${requests} pages of ${PAGE_ROWS} rows`);
    const figures = (ms: readonly number[]) => ({ p50: quantile(ms, 0.5), p99: quantile(ms, 0.99) });
    const of = { api: figures(api), sql: figures(sql) };
    return { ...of, p99Ratio: of.api.p99 / of.sql.p99, requests };
  } finally {
    await releases.releaseAll();
  }
}

export function showReading({ api, sql, p99Ratio, requests }: ReadingFigures): string[] {
  return [
    `GET /v1/usage, ${DAYS} days of 1,000 tenants by day, ${requests} pages of ${PAGE_ROWS} rows`,
    `p99, API ÷ plain SQL   ${p99Ratio.toFixed(2)}`,
    `API ms  p50 ${api.p50.toFixed(1)}  p99 ${api.p99.toFixed(1)}   SQL ms  p50 ${sql.p50.toFixed(1)}  p99 ${sql.p99.toFixed(1)}`,
  ];
}

/** Four hours of each day, written down directly: how they were counted is not what is measured. */
async function fill(pool: Pool): Promise<void> {
  await pool.query(`
    INSERT INTO meterhouse.tenants (id, name) VALUES ('read', 'read');
    INSERT INTO meterhouse.tenants (id, name, parent)
      SELECT 'read-' || lpad(n::text, 4, '0'), 'x', 'read' FROM generate_series(1, 999) AS n;
    INSERT INTO meterhouse.metrics (name, unit, aggregation, scale, family) VALUES ('read', 'unit', 'sum', 9, 'bench');
    INSERT INTO meterhouse.usage_hourly
      (tenant_id, metric, hour, attrs, sum, count, min, max, latest, latest_ts, latest_id, revision, late)
    SELECT t.id, 'read', h.hour, '{}', 1.5, 1, 1.5, 1.5, 1.5, h.hour, 'x', 1, 0
    FROM generate_series(0, ${DAYS} * 4 - 1) AS n
    CROSS JOIN LATERAL (SELECT to_timestamp(${FROM / 1_000}) + n * interval '6 hours' AS hour) AS h
    CROSS JOIN meterhouse.tenants AS t WHERE t.id = 'read' OR t.parent = 'read'`);
  await pool.query('VACUUM ANALYZE meterhouse.usage_hourly, meterhouse.tenants');
}

const answer = z.object({
  rows: z.array(z.object({ tenantId: z.string() })).min(1),
  nextCursor: z.string().nullable(),
});

async function readPage(url: string, key: string, cursor: string | null) {
  const query = new URLSearchParams({
    tenantId: 'read',
    descendants: 'true',
    metric: 'read',
    granularity: 'day',
    from: new Date(FROM).toISOString(),
    to: new Date(FROM + DAYS * DAY_MS).toISOString(),
    limit: String(PAGE_ROWS),
    ...(cursor === null ? {} : { cursor }),
  });
  const start = performance.now();
  const response = await fetch(`${url}/v1/usage?${query.toString()}`, {
    headers: { authorization: `Bearer ${key}` },
  });
  const text = await response.text();
  const ms = performance.now() - start;
  if (!response.ok) throw new Error(text);
  const { rows, nextCursor } = answer.parse(JSON.parse(text));
  return { ms, rows: rows.length, nextCursor, tenants: new Set(rows.map(({ tenantId }) => tenantId)) };
}

async function readPlainly(pool: Pool, tenants: readonly string[], rows: number): Promise<number> {
  const start = performance.now();
  await pool.query(
    `SELECT tenant_id, metric, date_trunc('day', hour, 'UTC') AS day, sum(sum) AS sum, sum(count) AS count,
            min(min) AS min, max(max) AS max, (array_agg(latest ORDER BY latest_ts DESC, latest_id DESC))[1] AS latest
     FROM meterhouse.usage_hourly
     WHERE tenant_id = ANY ($1) AND metric = 'read' AND hour >= $2 AND hour < $3
     GROUP BY tenant_id, metric, day ORDER BY tenant_id, metric, day LIMIT $4`,
    [tenants, new Date(FROM), new Date(FROM + DAYS * DAY_MS), rows],
  );
  return performance.now() - start;
}
