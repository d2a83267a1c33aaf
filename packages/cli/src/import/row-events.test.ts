/**
 * Guarantees:
 * - a row becomes its events with exact values, its own or a derived id, and the import's source
 * - a row is taken whole or not at all, and refused with the field and the reason
 * - what the file cannot give is said before anything is sent
 */
import { expect, test } from 'vitest';
import type { UsageEvent } from '@meterhouse/usage';
import { DigestCounts } from '../digest-counts.ts';
import { UsageError } from '../exit.ts';
import { withOptions, type MappingOptions } from './mapping.ts';
import {
  csvRowEvents,
  isRowProblem,
  jsonRowEvents,
  planCsv,
  type RowContext,
  type RowOutcome,
} from './row-events.ts';
import { createStampReader } from './stamps.ts';

const TS = '2026-11-22T17:00:00Z';

function context(shiftDays = 0): RowContext {
  return {
    source: 'import:test',
    shiftDays,
    readStamp: createStampReader('UTC'),
    seenRows: new DigestCounts({ maxEntries: 100 }),
  };
}

function eventsOf(outcome: RowOutcome): readonly UsageEvent[] {
  if (isRowProblem(outcome)) throw new Error(`${outcome.field ?? ''}: ${outcome.detail}`);
  return outcome;
}

function problemOf(outcome: RowOutcome): string {
  return isRowProblem(outcome) ? `${outcome.field ?? ''}: ${outcome.detail}` : 'taken';
}

const trace: MappingOptions = {
  map: ['ts=T'],
  metric: ['in=A', 'out=B'],
  tenantFrom: 'hash:3',
};

function csv(header: string[], rows: string[][], options: MappingOptions, shiftDays = 0): RowOutcome[] {
  const mapping = withOptions(null, options);
  const plan = planCsv('file.csv', header, mapping);
  const shared = context(shiftDays);
  return rows.map((row) => csvRowEvents(row, plan, mapping, shared));
}

test('several metrics of one row, tenants by hash, ids by content', () => {
  const row = ['2023-11-16 18:17:03.9799600', '4808', '10'];
  const [first, again] = csv(['T', 'A', 'B'], [row, row], trace).map(eventsOf);
  expect(first?.map(({ metric, value, ts, source }) => ({ metric, value, ts, source }))).toEqual([
    { metric: 'in', value: '4808', ts: Date.parse('2023-11-16T18:17:03.979Z'), source: 'import:test' },
    { metric: 'out', value: '10', ts: Date.parse('2023-11-16T18:17:03.979Z'), source: 'import:test' },
  ]);
  expect(first?.[0]?.tenantId).toBe(again?.[0]?.tenantId);
  expect(new Set([...(first ?? []), ...(again ?? [])].map(({ id }) => id)).size).toBe(4);
  // Columns in another order, and more of nothing: the same row.
  const [turned] = csv(['B', 'T', 'A'], [['10', row[0] ?? '', '4808']], trace).map(eventsOf);
  expect(turned?.map(({ id }) => id)).toEqual(first?.map(({ id }) => id));
  const [shifted] = csv(['T', 'A', 'B'], [row], trace, 1).map(eventsOf);
  expect(shifted?.[0]?.ts).toBe(Date.parse('2023-11-17T18:17:03.979Z'));
  expect(shifted?.[0]?.id).not.toBe(first?.[0]?.id);
});

test('columns named like fields need no mapping, attributes come from columns', () => {
  const [events] = csv(
    ['id', 'tenantId', 'metric', 'value', 'ts', 'Model', 'Region'],
    [['e1', 'acme', 'tokens', '1.50', TS, 'm1', '']],
    { attr: ['model=Model', 'region=Region'] },
  ).map(eventsOf);
  expect(events?.[0]).toMatchObject({ id: 'e1', tenantId: 'acme', value: '1.5', attrs: { model: 'm1' } });
});

test('several metrics of a row with an id get an id each', () => {
  const [events] = csv(['id', 'T', 'A', 'B'], [['r1', TS, '1', '2']], trace).map(eventsOf);
  expect(events?.map(({ id }) => id)).toEqual(['r1:in', 'r1:out']);
});

test('a row is refused whole, with its field', () => {
  const outcomes = csv(
    ['T', 'A', 'B'],
    [
      [TS, '1', 'x'],
      [TS, '', '1'],
      ['yesterday', '1', '1'],
      ['', '1', '1'],
      [TS, '1', '1e3'],
    ],
    trace,
  );
  expect(outcomes.map(problemOf)).toEqual([
    expect.stringContaining('value: "x" is not a plain decimal'),
    'A: is empty'.replace('A', 'in'),
    expect.stringContaining('ts: "yesterday" is not a time'),
    expect.stringContaining('ts: is missing'),
    expect.stringContaining('value: "1e3"'),
  ]);
});

test('what the file cannot give is said at once', () => {
  expect(() => csv(['T'], [], { map: ['ts=Time'] })).toThrow('has no column "Time"; it has "T"');
  expect(() => csv(['T'], [], {})).toThrow(/when it happened.*whose usage.*of what/);
  expect(() => csv(['T', 'A', 'B'], [], { ...trace, set: ['tenantId=x'] })).toThrow(UsageError);
});

const json = (row: Record<string, unknown>, options: MappingOptions = {}, shared = context()) =>
  jsonRowEvents(row, withOptions(null, options), shared);

test('a JSON line is the event itself; the import names itself as its source', () => {
  const row = {
    id: 'e1',
    tenantId: 'acme',
    metric: 'tokens',
    value: '12345678901234567890.123456789',
    ts: TS,
    source: 'billing-api',
    attrs: { model: 'm' },
    attribution: { user: 'u' },
  };
  const [event] = eventsOf(json(row));
  expect(event).toMatchObject({
    id: 'e1',
    value: '12345678901234567890.123456789',
    source: 'import:test',
    attribution: { user: 'u' },
  });
});

test('JSON lines without an id are told apart by their number, and get what is set', () => {
  const shared = context();
  const row = { metric: 'tokens', ts: Date.parse(TS) };
  const first = eventsOf(json(row, { set: ['tenantId=acme'] }, shared))[0];
  const second = eventsOf(
    json({ ts: Date.parse(TS), metric: 'tokens' }, { set: ['tenantId=acme'] }, shared),
  )[0];
  expect(first).toMatchObject({ tenantId: 'acme', value: '1' });
  expect(second?.id).not.toBe(first?.id);
});

test('JSON lines with fields that no event has, or broken ones, are refused', () => {
  const row = { tenantId: 'acme', metric: 'tokens', ts: TS };
  expect(problemOf(json({ ...row, quantity: 1 }))).toContain('quantity: is not a field');
  expect(problemOf(json({ ...row, value: 0.1 + 0.2 }))).toContain('value: ');
  expect(problemOf(json({ ...row, id: 7 }))).toContain('id: ');
  expect(problemOf(json({ ...row, attrs: { a: 1 } }))).toContain('attrs.a: ');
  expect(problemOf(json({ ...row, ts: 1.5 }))).toContain('ts: ');
  expect(
    problemOf(
      json(
        JSON.parse('{"tenantId":"a","metric":"m","ts":1,"attrs":{"__proto__":"x"}}') as Record<
          string,
          unknown
        >,
      ),
    ),
  ).toContain('__proto__');
});
