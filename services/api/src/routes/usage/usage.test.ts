/**
 * Guarantees of reading usage over HTTP, on buckets that the real flush counted, read under row-level security:
 * - days and months are those of the zone, also where the clocks change; a zone that would cut an hour is refused
 * - pages put together are the answer; a cursor continues its own list alone, and carries on its span
 * - numbers and as-of are of one point
 * - 304 means that nothing of the answer has changed
 * - no text of a request becomes a statement, and nobody's usage is in another's answer
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HOUR_MS } from '@meterhouse/usage';
import { usageApi, type Answer, type UsageApi } from './testing.ts';

const ends: (() => Promise<void>)[] = [];
let world: UsageApi;
const HOUR = Date.UTC(2026, 5, 15, 10);
const SPAN = 'from=2026-06-15&to=2026-06-16';

beforeAll(async () => {
  world = await usageApi((end) => ends.unshift(end));
  const event = (tenantId: string, value: string, attrs: Record<string, string> = {}) => ({
    tenantId,
    metric: 'tokens',
    value,
    ts: HOUR,
    attrs,
  });
  await world.bed.count(
    [
      event('acme', '1.5', { region: 'eu', model: 'small' }),
      event('acme-dev', '2', { region: 'us', model: 'small' }),
      event('acme-dev', '0.25', { region: 'eu' }),
      event('acme-ops', '4', { region: 'é:,"' }),
      event('canary', '99', { region: 'eu' }),
    ],
    { processedThrough: new Date(HOUR) },
  );
  world.ends = new Map([[0, 7n]]);
});
afterAll(async () => {
  for (const end of ends) await end();
});

const usages = ({ rows }: Answer) =>
  rows.map(({ tenantId, attrs, usage }) => [tenantId, ...Object.values(attrs), usage].join(' '));

async function problemOf(path: string, bearer = 'acme'): Promise<unknown> {
  const answer = await world.api.call(bearer, path);
  const { code, errors } = (await answer.json()) as { code: string; errors?: readonly { field: string }[] };
  return [answer.status, code, ...(errors ?? []).map(({ field }) => field)];
}

describe('GET /v1/usage', () => {
  it("says the key's own tenant's usage exactly, with its as-of", async () => {
    expect(await world.get(`/v1/usage?${SPAN}`)).toEqual({
      tenantId: 'acme',
      descendants: false,
      together: false,
      granularity: 'total',
      timeZone: 'UTC',
      from: '2026-06-15T00:00:00.000Z',
      to: '2026-06-16T00:00:00.000Z',
      asOf: {
        completeThrough: '2026-06-15T10:00:00.000Z',
        eventsBehind: '2',
        haltedPartitions: [],
        lateShare: '0.000000',
        lateShareUnknown: null,
      },
      rows: [
        {
          tenantId: 'acme',
          metric: 'tokens',
          unit: 'unit',
          aggregation: 'sum',
          start: '2026-06-15T00:00:00.000Z',
          end: '2026-06-16T00:00:00.000Z',
          attrs: {},
          usage: '1.5',
          sum: '1.5',
          count: '1',
          min: '1.5',
          max: '1.5',
          latest: '1.5',
          lateEvents: '0',
        },
      ],
      nextCursor: null,
    });
  });

  it('is of descendants, each or together, by attribute and filtered', async () => {
    expect(usages(await world.get(`/v1/usage?${SPAN}&descendants=true`))).toEqual([
      'acme 1.5',
      'acme-dev 2.25',
      'acme-ops 4',
    ]);
    expect(usages(await world.get(`/v1/usage?${SPAN}&descendants=true&together=true`))).toEqual([
      'acme 7.75',
    ]);
    const grouped = `/v1/usage?${SPAN}&descendants=true&together=true&metric=tokens`;
    expect(usages(await world.get(`${grouped}&groupBy=region,model`))).toEqual([
      'acme eu small 1.5',
      'acme eu 0.25',
      'acme us small 2',
      'acme é:," 4',
    ]);
    const filter = ['region:eu', 'region:é:,"'].map((text) => `&filter=${encodeURIComponent(text)}`).join('');
    expect(usages(await world.get(`${grouped}${filter}`))).toEqual(['acme 5.75']);
    expect(usages(await world.get(`${grouped}${filter}&filter=model:small`))).toEqual(['acme 1.5']);
  });

  it('answers the path of the seed alike, for a tenant in scope', async () => {
    const path = '/api/admin/tenants/acme-dev/usage';
    const seed = await world.get(`${path}?${SPAN}&granularity=day`, 'operator');
    expect(seed).toEqual(await world.get(`/v1/usage?tenantId=acme-dev&${SPAN}&granularity=day`));
    expect(usages(seed)).toEqual(['acme-dev 2.25']);
    expect(await problemOf(`${path}?granularity=month`)).toEqual([
      400,
      'invalid_request',
      'query.granularity',
    ]);
    expect(await problemOf(`/api/admin/tenants/canary/usage`)).toEqual([404, 'unknown_tenant']);
    expect(await problemOf(`/v1/usage?tenantId=acme`, 'dev')).toEqual([404, 'unknown_tenant']);
    expect(await problemOf(`/v1/usage`, 'ingest')).toEqual([403, 'forbidden']);
  });

  it('names the field that cannot be meant', async () => {
    const fields = async (query: string) => problemOf(`/v1/usage?${query}`);
    const bad = (field: string) => [400, 'invalid_request', `query.${field}`];
    expect(await fields('metric=nothing')).toEqual(bad('metric'));
    expect(await fields('groupBy=region')).toEqual(bad('groupBy'));
    expect(await fields('metric=tokens&metric=seats&groupBy=model')).toEqual(bad('groupBy'));
    expect(await fields('metric=tokens&filter=tier:1')).toEqual(bad('filter'));
    expect(await fields('from=2026-06-15T00:30:00Z&to=2026-06-16')).toEqual(bad('from'));
    expect(await fields('from=2026-02-30&to=2026-06-16')).toEqual(bad('from'));
    expect(await fields('from=2026-06-16&to=2026-06-16')).toEqual(bad('to'));
    expect(await fields('from=2025-01-01&to=2026-06-16&granularity=hour')).toEqual(bad('from'));
    expect(await fields('timeZone=Mars/Phobos')).toEqual(bad('timeZone'));
    expect(await fields('together=true')).toEqual(bad('together'));
    expect((await problemOf('/v1/usage?gropuBy=region')) as unknown[]).toContain('invalid_request');
  });
});

describe('days and months', () => {
  const dailyCounts = async (query: string) =>
    (await world.get(`/v1/usage?tenantId=acme-ops&metric=calls&limit=1000&${query}`)).rows.map(
      ({ start, count }) => `${start ?? ''} ${count ?? ''}`,
    );

  it('are as long as the zone makes them: 23, 25 and 24 hours', async () => {
    const hoursFrom = (from: number, hours: number) =>
      Array.from({ length: hours }, (_, n) => ({
        tenantId: 'acme-ops',
        metric: 'calls',
        value: '1',
        ts: from + n * HOUR_MS,
      }));
    await world.bed.count(hoursFrom(Date.UTC(2026, 2, 28, 0), 72));
    await world.bed.count(hoursFrom(Date.UTC(2026, 9, 24, 0), 72));
    const berlin = 'granularity=day&timeZone=Europe/Berlin';
    expect(await dailyCounts(`from=2026-03-28&to=2026-03-31&${berlin}`)).toEqual([
      '2026-03-27T23:00:00.000Z 23',
      '2026-03-28T23:00:00.000Z 23',
      '2026-03-29T22:00:00.000Z 24',
    ]);
    expect(await dailyCounts(`from=2026-10-25&to=2026-10-26&${berlin}`)).toEqual([
      '2026-10-24T22:00:00.000Z 25',
    ]);
    expect(
      await dailyCounts('from=2026-03-01&to=2026-04-01&granularity=month&timeZone=Europe/Berlin'),
    ).toEqual(['2026-02-28T23:00:00.000Z 72']);
    expect(await dailyCounts('from=2026-03-28T12:00:00Z&to=2026-03-29T12:00:00Z&granularity=day')).toEqual([
      '2026-03-28T12:00:00.000Z 12',
      '2026-03-29T00:00:00.000Z 12',
    ]);
  });

  it('that would cut an hour in two are refused', async () => {
    for (const zone of ['Asia/Kolkata', 'Australia/Lord_Howe'])
      expect(
        await problemOf(`/v1/usage?from=2026-06-01&to=2026-06-03&granularity=day&timeZone=${zone}`),
      ).toEqual([400, 'invalid_request', 'query.timeZone']);
  });
});

describe('pages', () => {
  const path = `/v1/usage?${SPAN}&descendants=true&metric=tokens&groupBy=region`;

  it('put together are the answer, and go on while more is counted', async () => {
    const whole = usages(await world.get(path));
    expect(whole).toHaveLength(4);
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const page: Answer = await world.get(`${path}&limit=1${cursor === '' ? '' : `&cursor=${cursor}`}`);
      seen.push(...usages(page));
      cursor = page.nextCursor;
      await world.bed.count([
        { tenantId: 'acme', metric: 'tokens', value: '1', ts: HOUR, attrs: { region: 'a' } },
      ]);
    }
    expect(seen).toEqual(whole);
  });

  it('go on over the span that the first one had, and over no other question', async () => {
    const open = '/v1/usage?descendants=true&metric=tokens&limit=1';
    const { nextCursor } = await world.get(open);
    world.now += 2 * 24 * HOUR_MS;
    expect(usages(await world.get(`${open}&cursor=${nextCursor ?? ''}`))).toHaveLength(1);
    world.now -= 2 * 24 * HOUR_MS;
    const strange = [400, 'invalid_cursor', 'query.cursor'];
    expect(await problemOf(`${open}&cursor=${nextCursor ?? ''}&granularity=hour`)).toEqual(strange);
    expect(await problemOf(`${open}&cursor=${nextCursor ?? ''}&${SPAN}`)).toEqual(strange);
    expect(await problemOf(`${open}&cursor=${nextCursor ?? ''}`, 'dev')).toEqual(strange);
    expect(await problemOf(`${open}&cursor=e30`)).toEqual(strange);
  });
});

describe('a conditional request', () => {
  it('is 304 as long as neither a number nor the as-of has changed, and no longer', async () => {
    const path = `/v1/usage?${SPAN}&tenantId=acme-dev`;
    let tag = '';
    const changed = async () => {
      const answer = await world.api.call('acme', path, { headers: { 'if-none-match': `"x", W/${tag}` } });
      const body = await answer.text();
      expect(answer.status === 304 ? body : '').toBe('');
      expect(answer.headers.get('cache-control')).toBe('private, no-cache');
      tag = answer.headers.get('etag') ?? '';
      return answer.status === 200;
    };
    expect(await changed()).toBe(true);
    expect(await changed()).toBe(false);
    await world.bed.count([{ tenantId: 'acme-dev', metric: 'tokens', value: '1', ts: HOUR }]);
    expect([await changed(), await changed()]).toEqual([true, false]);
    await world.bed.owner.query(
      `UPDATE meterhouse.progress SET processed_through = processed_through + interval '1 s'`,
    );
    expect([await changed(), await changed()]).toEqual([true, false]);
    world.ends = new Map([[0, 100n]]);
    expect([await changed(), await changed()]).toEqual([true, false]);
    await world.bed.register([
      {
        kind: 'metric',
        body: { name: 'another', unit: 'u', aggregation: 'sum', scale: 0, family: 'compute', groupBy: [] } as {
          name: string;
        },
      },
    ]);
    expect([await changed(), await changed()]).toEqual([true, false]);
    const other = await world.api.call('acme', `${path}&granularity=hour`, {
      headers: { 'if-none-match': tag },
    });
    expect(other.status).toBe(200);
  });
});

describe('one point', () => {
  it('holds both numbers and as-of, whatever is counted meanwhile', async () => {
    const path = `/v1/usage?${SPAN}&tenantId=acme-ops&metric=tokens`;
    const stop = new AbortController();
    let events = 1;
    const counting = (async () => {
      // Each flush counts one event and says so in the same transaction.
      while (!stop.signal.aborted) {
        const through = new Date(HOUR + 3_600_000 + events);
        await world.bed.count([{ tenantId: 'acme-ops', metric: 'tokens', value: '1', ts: HOUR }], {
          processedThrough: through,
        });
        events += 1;
      }
    })();
    for (let n = 0; n < 50; n += 1) {
      const { asOf, rows } = await world.get(path);
      const through = Date.parse(String(asOf['completeThrough'])) - HOUR - 3_600_000;
      if (through > 0) expect(Number(rows[0]?.['count'])).toBe(through + 1);
    }
    stop.abort();
    await counting;
  });
});
