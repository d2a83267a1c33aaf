/** Guarantee: what docs/ says of variables and metrics is what the code reads and exports. */
import { expect, test } from 'vitest';
import { EXPORTED } from './metrics-tables.ts';
import { PAGES, renewed } from './pages.ts';

test.each(PAGES)('$path is up to date (else: npm run docs:generate)', async (page) => {
  const { now, wanted } = await renewed(page);
  expect(now).toBe(wanted);
});

test('names of metrics are unique, end in their unit, and count under _total', () => {
  const all = EXPORTED.flatMap(({ metrics }) => metrics);
  expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
  for (const { name, type, unit } of all) {
    expect(name).toMatch(/^[a-z][a-z0-9_]*$/);
    expect(name.endsWith('_total'), name).toBe(type === 'counter');
    if (unit === 'seconds') expect(name).toMatch(/_seconds$/);
    if (unit === 'bytes') expect(name).toMatch(/_bytes$/);
  }
});
