/**
 * Guarantees, on the real stack with a real aggregator:
 * - a file counts once however often it is imported and whatever it is called; two identical rows in it
 *   are two events; shifted, it is another file
 * - an import returns when the broker has acknowledged all, with --wait when all is counted, and says
 *   what became of the rows that it refused
 * - what it sent is reported under the name that its events carry
 * - usage is each metric's own aggregation, exact to the last digit, with its as-of, the same from
 *   Postgres and from ClickHouse
 */
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { DAY_MS, HOUR_MS, hourOf } from '@meterhouse/usage';
import { commandBed, REGISTRY } from '../testing.ts';

const bed = await commandBed();
await bed.json(['apply', '-f', await bed.file('registry.yaml', REGISTRY)]);
await bed.startAggregator();

interface ImportJson {
  files: { source: string; acknowledged: number; repeated: number; metrics: Record<string, object> }[];
  refusedRows: number;
  refused: { line: number; field: string | null; reason: string }[];
  counted: { quarantined: string } | null;
}

const imported = async (args: readonly string[], exitCode = 0): Promise<ImportJson> =>
  (await bed.json(['import', ...args, '--wait'], exitCode)) as ImportJson;

interface UsageJson {
  rows: { metric: string; tenantId: string | null; usage: string; events: string; periodStart: string }[];
  completeThrough: string | null;
  eventsBehind: string | null;
}

const usage = async (...args: string[]): Promise<UsageJson> =>
  (await bed.json(['usage', 'show', ...args])) as UsageJson;

const usages = async (...args: string[]): Promise<string[]> =>
  (await usage(...args)).rows.map(
    (row) => `${row.tenantId ?? 'together'} ${row.metric} ${row.usage} ×${row.events}`,
  );

/** The hour before last, so that nothing of these tests lies across its end. */
const HOUR = hourOf(Date.now()) - HOUR_MS;
const stamp = (ms: number): string =>
  new Date(HOUR + ms).toISOString().replace('T', ' ').replace('Z', '0000');

async function bucketEvents(tenantId: string): Promise<string> {
  const rows = await bed.pool.query<{ count: string }>(
    'SELECT coalesce(sum(count), 0)::text AS count FROM meterhouse.usage_hourly WHERE tenant_id = $1',
    [tenantId],
  );
  return rows.rows[0]?.count ?? '';
}

test('a file without ids counts once, under any name; its identical rows are events of their own', async () => {
  const rows = `When,Tokens\n${stamp(1)},1.5\n${stamp(2)},2\n${stamp(2)},2\n`;
  const mapping = ['--map', 'ts=When', '--metric', 'tokens=Tokens', '--set', 'tenantId=acme-search'];
  const first = await imported([await bed.file('trace.csv', rows), ...mapping]);
  expect(first.files[0]?.metrics).toEqual({ tokens: { events: '3', sum: '5.5' } });
  expect(first.counted).toEqual({ quarantined: '0' });
  const second = await imported([await bed.file('copy.csv', rows.replaceAll('\n', '\r\n')), ...mapping]);
  // Other bytes, so another source; the same rows, so the same events.
  expect(second.files[0]?.source).not.toBe(first.files[0]?.source);
  const third = await imported([await bed.file('again.csv', rows), ...mapping]);
  expect(third.files[0]?.source).toBe(first.files[0]?.source);
  expect(await usages('--tenant', 'acme-search')).toEqual(['acme-search tokens 5.5 ×3']);
  await imported([await bed.file('again.csv', rows), ...mapping, '--shift-days', '-1']);
  expect(await usages('--tenant', 'acme-search', '--since', '3d')).toEqual(['acme-search tokens 11 ×6']);
  expect((await usage('--tenant', 'acme-search', '--since', '3d', '--by', 'day')).rows).toHaveLength(
    new Date(HOUR).getUTCDate() === new Date(HOUR - DAY_MS).getUTCDate() ? 1 : 2,
  );
});

test('what was sent is reported under the name that its events carry', async () => {
  const file = await bed.file(
    'events.jsonl',
    [
      { id: 'r1', tenantId: 'acme', metric: 'tokens', value: '0.000000001', ts: HOUR },
      { id: 'r1', tenantId: 'acme', metric: 'tokens', value: '0.000000001', ts: HOUR },
      { id: 'r2', tenantId: 'acme', metric: 'seats', value: 7, ts: new Date(HOUR).toISOString() },
    ]
      .map((row) => JSON.stringify(row))
      .join('\n'),
  );
  const result = await imported([file]);
  expect(result.files[0]).toMatchObject({ acknowledged: 3, repeated: 1 });
  const rows = await bed.pool.query<{ totals: object }>(
    'SELECT totals FROM meterhouse.producer_reports WHERE source = $1',
    [result.files[0]?.source],
  );
  expect(rows.rows[0]?.totals).toEqual({
    tokens: { events: '1', sum: '0.000000001' },
    seats: { events: '1', sum: '7' },
  });
  expect(await usages('--tenant', 'acme')).toEqual(['acme seats 7 ×1', 'acme tokens 0.000000001 ×1']);
});

test('refused rows are listed with line and reason, all of them in a file, and nothing else is lost', async () => {
  const good = (id: string) =>
    JSON.stringify({ id, tenantId: 'acme', metric: 'seats', value: 8, ts: HOUR + 1 });
  const bad = [
    '{',
    '{"tenantId":"acme","metric":"seats","value":1}',
    '{"tenantId":"a b","metric":"seats","ts":0}',
  ];
  const lines = [good('g1'), ...Array.from({ length: 30 }, (_, i) => bad[i % 3] ?? ''), good('g2')];
  const file = await bed.file('mixed.jsonl', lines.join('\n'));
  const errors = await bed.file('errors.jsonl', '');
  const before = await bucketEvents('acme');
  const result = await imported([file, '--errors', errors], 1);
  expect(result.refusedRows).toBe(30);
  expect(result.refused).toHaveLength(20);
  expect(result.refused.slice(0, 3)).toEqual([
    { file, line: 2, field: null, reason: expect.stringContaining('is not JSON') as string },
    { file, line: 3, field: 'ts', reason: expect.stringContaining('is missing') as string },
    { file, line: 4, field: 'tenantId', reason: expect.any(String) as string },
  ]);
  expect((await readFile(errors, 'utf8')).trimEnd().split('\n')).toHaveLength(30);
  expect(BigInt(await bucketEvents('acme')) - BigInt(before)).toBe(2n);
  await imported([file, '--allow-bad'], 0);
  expect(BigInt(await bucketEvents('acme')) - BigInt(before)).toBe(2n);
});

test('what cannot be counted is in quarantine, and the import says so', async () => {
  const file = await bed.file(
    'unknown.jsonl',
    `${JSON.stringify({ tenantId: 'nobody', metric: 'tokens', ts: HOUR })}\n`,
  );
  expect((await imported([file])).counted).toEqual({ quarantined: '1' });
});

test('usage by tenant and together, from Postgres and from ClickHouse alike', async () => {
  const huge = '12345678901234567890123456789.123456789';
  const row = (tenantId: string, value: string, ts: number, model: string) =>
    JSON.stringify({ tenantId, metric: 'tokens', value, ts, attrs: { model } });
  const day = HOUR - 2 * DAY_MS;
  const lines = [
    row('acme', huge, day, 'a'),
    row('acme', huge, day, 'b'),
    row('acme-search', '1', day + HOUR_MS, 'a'),
    JSON.stringify({ tenantId: 'acme', metric: 'seats', value: 3, ts: day + 2 }),
    JSON.stringify({ tenantId: 'acme-search', metric: 'seats', value: 5, ts: day + 1 }),
  ];
  await imported([await bed.file('usage.jsonl', lines.join('\n'))]);
  await bed.json(['rebuild', 'clickhouse']);
  const span = ['--from', new Date(day).toISOString(), '--to', new Date(day + 2 * HOUR_MS).toISOString()];
  const expected = [
    'acme seats 3 ×1',
    'acme-search seats 5 ×1',
    'together seats 3 ×2',
    'acme tokens 24691357802469135780246913578.246913578 ×2',
    'acme-search tokens 1 ×1',
    'together tokens 24691357802469135780246913579.246913578 ×3',
  ];
  for (const store of ['postgres', 'clickhouse']) {
    const args = ['--tenant', 'acme', '--descendants', ...span, '--store', store];
    expect(await usages(...args)).toEqual(expected);
    const byHour = await usage(...args, '--by', 'hour', '--metric', 'tokens');
    expect(byHour.rows.map(({ periodStart }) => Date.parse(periodStart))).toEqual([
      day,
      day,
      day + HOUR_MS,
      day + HOUR_MS,
    ]);
    expect(byHour.completeThrough).not.toBeNull();
  }
  expect((await usage('--tenant', 'acme', ...span)).eventsBehind).toBe('0');
  expect((await bed.run('usage', 'show', '--tenant', 'nobody')).stderr).toContain(
    'there is no tenant nobody',
  );
});

test('files and options that cannot be meant are wrong usage, before anything is sent', async () => {
  const csv = await bed.file('empty.csv', 'a,b\n');
  const jsonl = await bed.file('e.jsonl', '');
  for (const args of [
    [csv],
    [csv, '--map', 'ts=when'],
    [csv, '--map', 'nonsense=a'],
    [jsonl, '--map', 'ts=a'],
    [await bed.file('trace.dat', 'a,b\n')],
    [csv, '--time-zone', 'Mars'],
    [csv, '--shift-days', '1.5'],
  ]) {
    const answer = await bed.run('import', ...args);
    expect([args, answer.exitCode, answer.stdout]).toEqual([args, 2, '']);
    expect(answer.stderr).toMatch(/^error: .+\n$/);
  }
  expect((await bed.run('import', 'nowhere.csv')).exitCode).toBe(1);
});
