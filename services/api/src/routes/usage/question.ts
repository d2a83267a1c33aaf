/** From a query to a question about usage, and from a row to where the next page begins. Pure. */
import { createHash } from 'node:crypto';
import type { AttributeFilter, UsageKey, UsageQuestion, UsageRow } from '@meterhouse/postgres';
import { EVENT_LIMITS, METRIC_NAME, TENANT_ID, type Metric } from '@meterhouse/usage';
import { z } from 'zod';
import { readCursor, writeCursor } from '../../http/cursor.ts';
import { ApiProblem } from '../../http/problem.ts';
import { GRANULARITIES, spanOf, startsOf, type Span, type Starts } from './span.ts';
import { wrong } from './wrong.ts';

const MAX_METRICS = 20;
const MAX_FILTERS = 100;
/** Eight attributes of the greatest length, twice in base64. */
const MAX_CURSOR = 12_000;

export const tenantId = z.string().regex(TENANT_ID, 'is not the id of a tenant');
const metricName = z.string().regex(METRIC_NAME, 'is not the name of a metric');
const attribute = z
  .string()
  .min(1)
  .max(EVENT_LIMITS.attrKeyLength * 8 + 7);
const filter = z
  .string()
  .max(EVENT_LIMITS.attrKeyLength + 1 + EVENT_LIMITS.attrValueLength)
  .refine((text) => !text.includes('\0'), 'holds a NUL');
const flag = z.enum(['true', 'false']).default('false');

const instantQuery = z.string().max(40).optional();
export const spanQuery = {
  from: instantQuery.describe(
    'First hour: an instant (`2026-11-01T00:00:00Z`) on the hour, or a day (`2026-11-01`) in `timeZone`. 24 hours before `to` unless given.',
  ),
  to: instantQuery.describe('Not included; the same forms. The end of this hour unless given.'),
};
export const pagedQuery = {
  limit: z.coerce.number().int().min(1).max(1_000).default(100).describe('Rows at most.'),
  cursor: z.string().min(1).max(MAX_CURSOR).optional().describe('`nextCursor` of the page before.'),
};

export const usageQuery = z.strictObject({
  tenantId: tenantId.optional().describe("Whose usage; the key's own tenant unless given."),
  descendants: flag.describe('Also of every tenant below it, as the tree is now: a row for each of them.'),
  together: flag.describe(
    'With `descendants`: one row for all of them added up, under the tenant asked about.',
  ),
  metric: oneOrMore(metricName, MAX_METRICS).describe('Only these, up to 20; every metric unless given.'),
  ...spanQuery,
  granularity: z
    .enum(GRANULARITIES)
    .default('total')
    .describe('What a row is of. Days and months are those of `timeZone`.'),
  timeZone: z
    .string()
    .min(1)
    .max(64)
    .default('UTC')
    .describe('IANA name of a zone that is whole hours from UTC.'),
  groupBy: oneOrMore(attribute, 8).describe(
    'Attributes that split the rows, comma-separated or repeated: `region,model`. Only such as every metric asked for has registered; name `metric` with it.',
  ),
  filter: oneOrMore(filter, MAX_FILTERS).describe(
    '`attribute:value`, up to 100: only usage with that value. Several of one attribute: any of them; of several attributes: all of them. Name `metric` with it.',
  ),
  ...pagedQuery,
});
export type UsageQuery = z.output<typeof usageQuery>;

function oneOrMore<T extends z.ZodType>(item: T, max: number) {
  return z.union([item, z.array(item).max(max)]).optional();
}

/** What is asked, apart from the span and the page. */
export type Asked = Pick<UsageQuestion, 'tenantId' | 'tenants' | 'metrics' | 'groupBy' | 'where'> &
  Pick<UsageQuery, 'granularity' | 'timeZone'>;

/**
 * @param metrics the registry's
 * @throws ApiProblem `invalid_request` naming the field
 */
export function askedOf(query: UsageQuery, tenant: string, metrics: ReadonlyMap<string, Metric>): Asked {
  const names = query.metric === undefined ? null : [...new Set([query.metric].flat())].sort();
  for (const name of names ?? [])
    if (!metrics.has(name)) throw wrong('query.metric', `there is no metric ${name}`);
  if (query.together === 'true' && query.descendants !== 'true')
    throw wrong('query.together', 'adds up descendants: say descendants=true with it');
  return {
    tenantId: tenant,
    tenants: query.descendants === 'false' ? 'own' : query.together === 'true' ? 'together' : 'each',
    metrics: names,
    granularity: query.granularity,
    timeZone: query.timeZone,
    groupBy: groupsOf(query, names, metrics),
    where: filtersOf(query, names, metrics),
  };
}

function groupsOf(
  { groupBy }: UsageQuery,
  names: readonly string[] | null,
  metrics: ReadonlyMap<string, Metric>,
): string[] {
  if (groupBy === undefined) return [];
  const registered = attributesOf('query.groupBy', names, metrics);
  const wanted = new Set(
    [groupBy].flat().flatMap((text) => (registered.has(text) ? [text] : text.split(','))),
  );
  for (const name of wanted)
    if (!registered.has(name))
      throw wrong('query.groupBy', `${name} is not registered to group by for each of the metrics`);
  return [...wanted];
}

function filtersOf(
  { filter: filters }: UsageQuery,
  names: readonly string[] | null,
  metrics: ReadonlyMap<string, Metric>,
): AttributeFilter[] {
  if (filters === undefined) return [];
  const registered = attributesOf('query.filter', names, metrics);
  const values = new Map<string, Set<string>>();
  for (const text of [filters].flat()) {
    // A name may hold a colon itself: the longest that fits is meant.
    const name = [...registered]
      .filter((each) => text.startsWith(`${each}:`))
      .sort((a, b) => b.length - a.length)[0];
    if (name === undefined)
      throw wrong(
        'query.filter',
        'is not attribute:value with an attribute that each of the metrics is registered to group by',
      );
    values.set(name, (values.get(name) ?? new Set()).add(text.slice(name.length + 1)));
  }
  return [...values].map(([name, of]) => ({ attribute: name, values: [...of] }));
}

/** Those that every one of the metrics has. */
function attributesOf(
  field: string,
  names: readonly string[] | null,
  metrics: ReadonlyMap<string, Metric>,
): Set<string> {
  const [first, ...others] = (names ?? []).map((name) => new Set(metrics.get(name)?.groupBy));
  if (first === undefined) throw wrong(field, 'is about what a metric has registered: name metric with it');
  return new Set([...first].filter((name) => others.every((each) => each.has(name))));
}

const position = z.object({
  /** Digest of what was asked: a cursor continues its own list only. */
  of: z.string().max(64),
  from: z.int(),
  to: z.int(),
  tenantId,
  metric: metricName,
  start: z.int(),
  attrs: z.string(),
});

/**
 * The span, which a cursor carries on: the end of "this hour" is another one an hour later.
 * @throws ApiProblem `invalid_cursor`, `invalid_request`
 */
export function pageOf(
  query: Pick<UsageQuery, 'from' | 'to' | 'cursor'>,
  asked: Asked,
  now: number,
): { readonly span: Span; readonly by: Starts; readonly after: UsageKey | null } {
  const at = readCursor(query.cursor, position);
  const { granularity, timeZone } = asked;
  const span =
    at === null
      ? spanOf(query, granularity, timeZone, now)
      : spanOf(
          { from: query.from ?? instantText(at.from), to: query.to ?? instantText(at.to) },
          granularity,
          timeZone,
          now,
        );
  const by = startsOf(span, granularity, timeZone);
  if (at === null) return { span, by, after: null };
  const attrs = readAttrs(at.attrs);
  const fits =
    at.of === digestOf(asked) &&
    at.from === span.from &&
    at.to === span.to &&
    at.start >= span.from &&
    at.start < span.to &&
    attrs.length === (asked.groupBy ?? []).length;
  if (!fits) throw strange();
  return { span, by, after: { tenantId: at.tenantId, metric: at.metric, periodStart: at.start, attrs } };
}

export function cursorAfter(row: UsageRow, asked: Asked, span: Span): string {
  const { tenantId: tenant, metric, periodStart } = row;
  return writeCursor({
    of: digestOf(asked),
    ...span,
    tenantId: tenant,
    metric,
    start: periodStart,
    attrs: writeAttrs(row.attrs),
  } satisfies z.infer<typeof position>);
}

function digestOf(asked: Asked): string {
  return createHash('sha256').update(JSON.stringify(asked)).digest('base64url').slice(0, 22);
}

/** Not as JSON, which may be six times as long. NUL occurs in no value. */
function writeAttrs(attrs: readonly (string | null)[]): string {
  return Buffer.from(attrs.map((value) => (value === null ? '\0' : `=${value}\0`)).join('')).toString(
    'base64url',
  );
}

function readAttrs(text: string): (string | null)[] {
  const parts = Buffer.from(text, 'base64url').toString('utf8').split('\0').slice(0, -1);
  return parts.map((part) => (part === '' ? null : part.slice(1)));
}

/** One that no instant can be written of is none of ours. */
function instantText(ts: number): string {
  if (Math.abs(ts) > 8.64e15) throw strange();
  return new Date(ts).toISOString();
}

function strange(): ApiProblem {
  return new ApiProblem('invalid_cursor', 'The cursor is not one of this list.', {
    errors: [{ field: 'query.cursor', detail: 'is not a cursor of this list' }],
  });
}
