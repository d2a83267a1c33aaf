/**
 * Guarantees:
 * - a row's id depends on its content, which one of its like it is, the metric and the shift: on
 *   nothing else, so neither on the order of columns nor on the file
 * - ids are canonical UUIDs, and stay what they are today: a later release must not count files again
 */
import { expect, test } from 'vitest';
import { DigestCounts } from '../digest-counts.ts';
import {
  columnsContent,
  derivedId,
  identifyRow,
  jsonContent,
  rowDigest,
  tenantOfRow,
} from './row-identity.ts';

const row = (content: string, occurrence = 1) => ({ digest: rowDigest(content), occurrence });

test('an id changes with content, occurrence, metric and shift', () => {
  const ids = [
    derivedId(row('a'), 'm', 0),
    derivedId(row('b'), 'm', 0),
    derivedId(row('a', 2), 'm', 0),
    derivedId(row('a'), 'n', 0),
    derivedId(row('a'), 'm', 1),
  ];
  expect(new Set(ids).size).toBe(ids.length);
  expect(derivedId(row('a'), 'm', 0)).toBe(ids[0]);
  for (const id of ids)
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test('an id is what it was in the first release', () => {
  const content = columnsContent(['a', 'b'], (name) => `${name}!`);
  expect(content).toBe('[["a","a!"],["b","b!"]]');
  expect(derivedId(row(content), 'llm.input_tokens', -3)).toBe('2c2bf3a9-b275-8eba-90d0-17db1808d818');
});

test('the order of a JSON row’s members does not matter, its values do', () => {
  expect(jsonContent({ b: [1, { d: null, c: 'x' }], a: true })).toBe(
    jsonContent({ a: true, b: [1, { c: 'x', d: null }] }),
  );
  expect(jsonContent({ a: '1' })).not.toBe(jsonContent({ a: 1 }));
});

test('identical rows of a file are told apart by their number', () => {
  const seen = new DigestCounts({ maxEntries: 10 });
  expect(identifyRow(rowDigest('a'), seen).occurrence).toBe(1);
  expect(identifyRow(rowDigest('b'), seen).occurrence).toBe(1);
  expect(identifyRow(rowDigest('a'), seen).occurrence).toBe(2);
});

test('tenants by hash are within their number, padded, and spread', () => {
  const tenants = new Set<string>();
  for (let i = 0; i < 1_000; i++) tenants.add(tenantOfRow(rowDigest(`${i}`), { count: 12, prefix: 'site-' }));
  expect([...tenants].sort()).toEqual(
    Array.from({ length: 12 }, (_, i) => `site-${String(i + 1).padStart(2, '0')}`),
  );
});
