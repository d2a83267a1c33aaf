/** Where to look next: lines that work as printed. Pure. */
import type { Palette } from '../screen/palette.ts';

export interface Places {
  readonly clickhouse: string;
  readonly postgres: string;
  /** Null where there is none. */
  readonly api: { readonly url: string; readonly keyPath: string } | null;
  /** Of the aggregator's metrics port; null where it has none. */
  readonly metrics: string | null;
  /** ` --data-dir DIR` for a data dir that the command would not find by itself, else empty. */
  readonly dataDirOption: string;
  /** A tenant worth looking at. */
  readonly tenant: string | null;
}

const QUERY =
  'SELECT tenant_id, metric, sum(sum), sum(count) FROM meterhouse.usage_daily GROUP BY ALL ORDER BY ALL FORMAT PrettyCompactMonoBlock';

export function connectLines(places: Places, paint: Palette): string[] {
  const title = (text: string): string => paint.dim(text.padEnd(12));
  const usage =
    places.tenant === null
      ? []
      : [`npx meterhouse${places.dataDirOption} usage show --tenant ${places.tenant} --descendants`];
  return [
    `${title('ClickHouse')}curl ${quoted(places.clickhouse)} -d ${quoted(QUERY)}`,
    `${title('Postgres')}psql ${quoted(places.postgres)}`,
    ...(places.api === null
      ? []
      : [
          `${title('API')}${places.api.url}/docs`,
          `${title('')}curl ${quoted(`${places.api.url}/v1/tenants`)} -H "Authorization: Bearer $(cat ${quoted(places.api.keyPath)})"`,
        ]),
    ...(places.metrics === null ? [] : [`${title('Metrics')}curl ${quoted(`${places.metrics}/metrics`)}`]),
    ...[
      ...usage,
      `npx meterhouse${places.dataDirOption} status --watch`,
      `npx meterhouse${places.dataDirOption} quarantine list`,
    ].map((command, at) => `${title(at === 0 ? 'Try next' : '')}${command}`),
  ];
}

/** For a shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
