/** What ClickHouse's view shows, read by the oracle itself over plain HTTP. */
import { totalsOf } from './read-postgres.ts';
import { attrsText, bucketKey, type Book } from './totals.ts';

const TIMEOUT_MS = 60_000;

type Row = readonly [
  tenantId: string,
  metric: string,
  hour: string,
  attrs: string,
  sum: string,
  count: string,
  min: string,
  max: string,
  latest: string,
  latestTs: string,
  latestId: string,
];

export async function readMirror(url: string, database: string): Promise<Book> {
  const response = await fetch(url, {
    method: 'POST',
    body: `SELECT tenant_id, metric, toString(toUnixTimestamp(hour)), attrs_key, toString(sum), toString(count), toString(min),
                  toString(max), toString(latest), toString(toUnixTimestamp64Milli(latest_ts)), latest_id
           FROM ${database}.usage_hourly FORMAT JSONCompactEachRow`,
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`ClickHouse answers ${response.status}: ${text.slice(0, 300)}`);
  const book: Book = new Map();
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const [tenantId, metric, hour, attrs, sum, count, min, max, latest, latestTs, latestId] = JSON.parse(
      line,
    ) as Row;
    const key = bucketKey(
      tenantId,
      metric,
      Number(hour) * 1000,
      attrsText(JSON.parse(attrs) as Record<string, string>),
    );
    book.set(key, totalsOf({ sum, count, min, max, latest, latest_ts: latestTs, latest_id: latestId }));
  }
  return book;
}
