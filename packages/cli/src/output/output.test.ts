/**
 * Guarantees:
 * - numbers keep every digit; tables are aligned; colour only on a terminal without NO_COLOR
 * - a result is written once: as text, or as one line of JSON
 */
import { expect, test } from 'vitest';
import { formatLength, parseInstantOption, parseLength } from './instants.ts';
import { counted, withThousands } from './numbers.ts';
import { Output } from './output.ts';
import { createPalette } from './palette.ts';
import { renderTable } from './table.ts';

test('thousands', () => {
  expect(withThousands('123456789012345678901234567890.123456789')).toBe(
    '123,456,789,012,345,678,901,234,567,890.123456789',
  );
  expect(['0', '-1234', '999', '1000'].map(withThousands)).toEqual(['0', '-1,234', '999', '1,000']);
  expect([counted(1n, 'event'), counted(2_000, 'event'), counted(0, 'entry', 'entries')]).toEqual([
    '1 event',
    '2,000 events',
    '0 entries',
  ]);
});

test('lengths of time', () => {
  expect([0, 119_000, 200_000, 7_500_000, 90 * 3_600_000 * 2].map(formatLength)).toEqual([
    '0 s',
    '119 s',
    '3 min 20 s',
    '2 h 5 min',
    '7 d 12 h',
  ]);
  expect(parseLength('--since', '2w')).toBe(14 * 86_400_000);
  expect(parseInstantOption('--from', '2026-11-22')).toBe(Date.UTC(2026, 10, 22));
});

test('tables are aligned, also where cells carry colour', () => {
  const palette = createPalette(true, {});
  const plain = createPalette(true, { NO_COLOR: '1' });
  const rows = [
    ['a', '1,000'],
    ['long', '5'],
  ];
  const columns = [{ title: 'name' }, { title: 'n', align: 'right' as const }];
  const expected = 'name      n\na     1,000\nlong      5\n';
  expect(renderTable(columns, rows, plain)).toBe(expected);
  const coloured = renderTable(
    columns,
    rows.map(([a = '', b = '']) => [palette.good(a), b]),
    palette,
  );
  expect(coloured).not.toBe(expected);
  expect(coloured.replaceAll(/\u001b\[\d+m/g, '')).toBe(expected);
  expect(renderTable(columns, [], plain)).toBe('');
});

test('colour only where a person looks', () => {
  expect(createPalette(false, {}).bad('x')).toBe('x');
  expect(createPalette(true, { NO_COLOR: '1' }).bad('x')).toBe('x');
  expect(createPalette(true, { TERM: 'dumb' }).bad('x')).toBe('x');
  expect(createPalette(true, {}).bad('x')).not.toBe('x');
});

test('a result is one of the two', () => {
  const written: string[] = [];
  const sink = { write: (text: string) => written.push(text) };
  new Output({ stdout: sink, stderr: sink }, {}, true).result({ n: '1' }, () => 'text\n');
  new Output({ stdout: sink, stderr: sink }, {}, false).result({ n: '1' }, () => 'text\n');
  expect(written).toEqual(['{"n":"1"}\n', 'text\n']);
});
