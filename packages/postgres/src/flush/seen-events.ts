/**
 * De-duplication by (tenant, id) in Postgres. A different way of remembering ids (packed segments,
 * say) takes this file's place.
 */
import type { PoolClient } from 'pg';
import type { Db } from '../pool.ts';
import type { AcceptedRecord } from './batch.ts';

/** Same number as meterhouse.dedup_period_ms(). */
export const DEDUP_PERIOD_MS = 36 * 24 * 3_600_000;

export function dedupPeriod(ts: number): number {
  return Math.floor(ts / DEDUP_PERIOD_MS);
}

/** A record whose id has been counted before, and with what content. */
export interface Sighting {
  readonly record: AcceptedRecord;
  readonly content: bigint;
}

/**
 * The ids of a batch as columns, sorted by key: two transactions that insert the same ids wait for
 * each other in the same order, and neighbouring keys meet the same index page.
 */
export interface IdColumns {
  readonly records: readonly AcceptedRecord[];
  readonly keys: string;
  readonly tenants: string;
  readonly periods: string;
}

export function idColumns(records: readonly AcceptedRecord[]): IdColumns {
  const sorted = records.toSorted((a, b) =>
    a.key < b.key ? -1 : a.key > b.key ? 1 : a.tenant.number - b.tenant.number,
  );
  let keys = '';
  let tenants = '';
  let periods = '';
  for (const record of sorted) {
    keys += `,${record.key}`;
    tenants += `,${record.tenant.number}`;
    periods += `,${dedupPeriod(record.event.ts)}`;
  }
  return { records: sorted, keys: arrayText(keys), tenants: arrayText(tenants), periods: arrayText(periods) };
}

function arrayText(joined: string): string {
  return `{${joined.slice(1)}}`;
}

/**
 * Looks for the batch's ids in periods other than their own: there they can only stand with another
 * event time, so with other content.
 */
export async function findInOtherPeriods(
  client: PoolClient,
  columns: IdColumns,
  livePeriods: readonly number[],
): Promise<readonly Sighting[]> {
  if (columns.records.length === 0 || livePeriods.length < 2) return [];
  const result = await client.query<{ n: string; content: string }>({
    name: 'flush-seen-elsewhere',
    text: `SELECT i.n, s.content
           FROM unnest($1::uuid[], $2::integer[], $3::integer[]) WITH ORDINALITY AS i(event_key, tenant_number, period, n)
           JOIN meterhouse.seen_events AS s ON s.event_key = i.event_key AND s.tenant_number = i.tenant_number
           WHERE s.period <> i.period AND s.period = ANY ($4::integer[])`,
    values: [columns.keys, columns.tenants, columns.periods, livePeriods],
  });
  return result.rows.map((row) => sighting(columns.records, row));
}

/**
 * Remembers the batch's ids. The unique index decides, so two transactions that carry the same id at
 * the same time cannot both be told that it is new.
 * @returns the records that had been seen before; all others are now this flush's
 */
export async function remember(
  client: PoolClient,
  flushId: bigint,
  columns: IdColumns,
): Promise<readonly Sighting[]> {
  const { records } = columns;
  if (records.length === 0) return [];
  let contents = '';
  for (const record of records) contents += `,${record.content}`;
  const inserted = await client.query({
    name: 'flush-seen-insert',
    text: `INSERT INTO meterhouse.seen_events (event_key, content, flush_id, tenant_number, period)
           SELECT event_key, content, $1::bigint, tenant_number, period
           FROM unnest($2::uuid[], $3::bigint[], $4::integer[], $5::integer[]) AS i(event_key, content, tenant_number, period)
           ON CONFLICT DO NOTHING`,
    values: [flushId.toString(), columns.keys, arrayText(contents), columns.tenants, columns.periods],
  });
  if (inserted.rowCount === records.length) return [];
  const before = await client.query<{ n: string; content: string }>({
    name: 'flush-seen-before',
    text: `SELECT i.n, s.content
           FROM unnest($2::uuid[], $3::integer[], $4::integer[]) WITH ORDINALITY AS i(event_key, tenant_number, period, n)
           JOIN meterhouse.seen_events AS s
             ON s.event_key = i.event_key AND s.tenant_number = i.tenant_number AND s.period = i.period
           WHERE s.flush_id <> $1::bigint`,
    values: [flushId.toString(), columns.keys, columns.tenants, columns.periods],
  });
  const sightings = before.rows.map((row) => sighting(records, row));
  if (sightings.length + (inserted.rowCount ?? 0) !== records.length)
    throw new Error(
      `de-duplication does not add up: ${records.length} ids, ${inserted.rowCount} new, ${sightings.length} seen`,
    );
  return sightings;
}

function sighting(records: readonly AcceptedRecord[], row: { n: string; content: string }): Sighting {
  const record = records[Number(row.n) - 1];
  if (record === undefined) throw new Error(`no record ${row.n} in a batch of ${records.length}`);
  return { record, content: BigInt(row.content) };
}

/** Of records that would be refused, those that have been counted with the same content. */
export async function alreadyCounted(
  client: PoolClient,
  candidates: readonly { key: string; tenantNumber: number; content: bigint }[],
): Promise<ReadonlySet<number>> {
  if (candidates.length === 0) return new Set();
  const result = await client.query<{ n: string }>({
    name: 'flush-already-counted',
    text: `SELECT DISTINCT i.n
           FROM unnest($1::uuid[], $2::integer[], $3::bigint[]) WITH ORDINALITY AS i(event_key, tenant_number, content, n)
           JOIN meterhouse.seen_events AS s
             ON s.event_key = i.event_key AND s.tenant_number = i.tenant_number AND s.content = i.content`,
    values: [
      candidates.map((candidate) => candidate.key),
      candidates.map((candidate) => candidate.tenantNumber),
      candidates.map((candidate) => candidate.content.toString()),
    ],
  });
  return new Set(result.rows.map((row) => Number(row.n) - 1));
}

export async function livePeriods(db: Db): Promise<readonly number[]> {
  const result = await db.query<{ seen_periods: number }>('SELECT meterhouse.seen_periods()');
  return result.rows.map((row) => row.seen_periods);
}

export async function ensurePeriods(db: Db, first: number, last: number): Promise<void> {
  await db.query('SELECT meterhouse.ensure_seen_periods($1, $2)', [first, last]);
}

/** Forgets whole periods before the one given. @returns the periods forgotten */
export async function dropPeriodsBefore(db: Db, firstKept: number): Promise<readonly number[]> {
  const result = await db.query<{ period: number }>(
    'SELECT meterhouse.drop_seen_periods_before($1) AS period',
    [firstKept],
  );
  return result.rows.map((row) => row.period);
}
