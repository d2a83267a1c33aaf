/** What Postgres holds, read by the oracle itself at one point in time. */
import { createHash } from 'node:crypto';
import pg from 'pg';
import { peekIdentity } from './avro-peek.ts';
import { billionths } from './decimal.ts';
import { dedupKey, entryKey, type Entry, type Ledger } from './ledger.ts';
import { attrsText, bucketKey, type Book, type Totals } from './totals.ts';
import { Places } from './verdict.ts';

const FETCH_ROWS = 20_000;

/** Runs work on one connection in one snapshot. */
export async function atOnePoint<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, application_name: 'faults-oracle' });
  // A server that is killed ends the connection; the query under way rejects by itself.
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    return await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function* rows<Row extends pg.QueryResultRow>(client: pg.Client, query: string): AsyncGenerator<Row> {
  await client.query(`DECLARE reading NO SCROLL CURSOR FOR ${query}`);
  for (;;) {
    const page = await client.query<Row>(`FETCH ${FETCH_ROWS} FROM reading`);
    yield* page.rows;
    if (page.rows.length < FETCH_ROWS) break;
  }
  await client.query('CLOSE reading');
}

export async function readPlaces(client: pg.Client, ledger: Ledger): Promise<Places> {
  const places = new Places();
  const tenants = await tenantNumbers(client);
  const byDedupKey = new Map<string, string>();
  for (const [key, entry] of ledger.entries) {
    const number = tenants.get(entry.tenantId);
    if (number !== undefined) byDedupKey.set(`${number}/${dedupKey(entry.id)}`, key);
  }
  const seen = rows<{ identity: string }>(
    client,
    `SELECT tenant_number || '/' || event_key AS identity FROM meterhouse.seen_events`,
  );
  for await (const { identity } of seen) {
    const key = byDedupKey.get(identity);
    if (key === undefined) places.stranger(`counted id ${identity}`);
    else places.counted(key);
  }
  await readQuarantine(client, ledger, places);
  return places;
}

async function readQuarantine(client: pg.Client, ledger: Ledger, places: Places): Promise<void> {
  const open = rows<{
    reason: string;
    tenant_id: string | null;
    event_id: string | null;
    value: string | null;
    ts: string | null;
    payload: Buffer;
  }>(
    client,
    `SELECT reason, tenant_id, event_id, value, (extract(epoch FROM event_ts) * 1000)::bigint AS ts, payload
     FROM meterhouse.quarantine WHERE status IN ('waiting', 'replay_requested')`,
  );
  for await (const row of open) {
    const key = keyOf(ledger, row);
    const held = { reason: row.reason, value: row.value, ts: row.ts === null ? null : Number(row.ts) };
    if (key === null) places.stranger(`quarantined ${row.reason} ${row.tenant_id} ${row.event_id}`);
    else places.held(key, held);
  }
}

function keyOf(
  ledger: Ledger,
  row: { tenant_id: string | null; event_id: string | null; payload: Buffer },
): string | null {
  const unreadable = ledger.unreadable.get(createHash('sha256').update(row.payload).digest('hex'));
  if (unreadable !== undefined) return unreadable;
  const identity =
    row.tenant_id !== null && row.event_id !== null
      ? { tenantId: row.tenant_id, id: row.event_id }
      : peekIdentity(row.payload);
  if (identity === null) return null;
  const key = entryKey(identity.tenantId, identity.id);
  return ledger.entries.has(key) ? key : null;
}

async function tenantNumbers(client: pg.Client): Promise<ReadonlyMap<string, number>> {
  const result = await client.query<{ id: string; number: number }>(
    'SELECT id, number FROM meterhouse.tenants',
  );
  return new Map(result.rows.map((row) => [row.id, row.number]));
}

interface BucketRow {
  tenant_id: string;
  metric: string;
  start: string;
  attrs: Record<string, string>;
  sum: string;
  count: string;
  min: string;
  max: string;
  latest: string;
  latest_ts: string;
  latest_id: string;
}

/** The hour buckets, or the view over the days; a day does not say when its `latest` was. */
export async function readBuckets(client: pg.Client, of: 'hours' | 'days'): Promise<Book> {
  const columns = 'tenant_id, metric, attrs, sum::text, count::text, min::text, max::text, latest::text';
  const query =
    of === 'hours'
      ? `SELECT ${columns}, (extract(epoch FROM hour) * 1000)::bigint AS start,
                (extract(epoch FROM latest_ts) * 1000)::bigint AS latest_ts, latest_id FROM meterhouse.usage_hourly`
      : `SELECT ${columns}, (extract(epoch FROM day) * 1000)::bigint AS start, 0 AS latest_ts, '' AS latest_id
         FROM meterhouse.usage_daily`;
  const book: Book = new Map();
  for await (const row of rows<BucketRow>(client, query))
    book.set(bucketKey(row.tenant_id, row.metric, Number(row.start), attrsText(row.attrs)), totalsOf(row));
  return book;
}

export function totalsOf(row: Omit<BucketRow, 'tenant_id' | 'metric' | 'start' | 'attrs'>): Totals {
  return {
    sum: billionths(row.sum),
    count: BigInt(row.count),
    min: billionths(row.min),
    max: billionths(row.max),
    latest: billionths(row.latest),
    latestTs: Number(row.latest_ts),
    latestId: row.latest_id,
  };
}

/** Of entries, those that are neither counted nor in quarantine in any way. */
export async function missingOf(client: pg.Client, entries: readonly Entry[]): Promise<readonly Entry[]> {
  const result = await client.query<{ n: string }>(
    `SELECT i.n FROM unnest($1::text[], $2::text[], $3::uuid[]) WITH ORDINALITY AS i(tenant_id, id, event_key, n)
     WHERE NOT EXISTS (SELECT FROM meterhouse.seen_events AS s JOIN meterhouse.tenants AS t ON t.number = s.tenant_number
                       WHERE s.event_key = i.event_key AND t.id = i.tenant_id)
       AND NOT EXISTS (SELECT FROM meterhouse.quarantine AS q WHERE q.tenant_id = i.tenant_id AND q.event_id = i.id)
       -- A message that could not be read has its id in its bytes alone.
       AND NOT EXISTS (SELECT FROM meterhouse.quarantine AS q
                       WHERE q.event_id IS NULL AND position(convert_to(i.id, 'UTF8') IN q.payload) > 0)`,
    [
      entries.map((entry) => entry.tenantId),
      entries.map((entry) => entry.id),
      entries.map((entry) => dedupKey(entry.id)),
    ],
  );
  return result.rows.flatMap((row) => entries[Number(row.n) - 1] ?? []);
}

/** Epoch ms through which all partitions say that they are complete; null while one does not say. */
export async function readWatermark(
  client: pg.Client,
  topic: string,
  partitions: number,
): Promise<number | null> {
  const result = await client.query<{ known: number; through: string | null }>(
    `SELECT count(processed_through)::integer AS known,
            floor(extract(epoch FROM min(processed_through)) * 1000)::bigint AS through
     FROM meterhouse.progress WHERE source = $1`,
    [topic],
  );
  const row = result.rows[0];
  return row?.known === partitions && row.through !== null ? Number(row.through) : null;
}
