/**
 * Guarantees:
 * - rows come with the line they end on, whatever pieces the file arrives in
 * - a row that cannot be read is named with its line and does not hide the rows after it
 * - a number keeps the digits that stand in the file
 * - no row makes memory grow without bound
 */
import { expect, test } from 'vitest';
import { CsvFileError, MAX_ROW_BYTES, readCsv, readJsonLines, type FileRow } from './file-rows.ts';

async function* pieces(text: string | Buffer, size = 7): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(text as string);
  for (let at = 0; at < bytes.length; at += size) yield Promise.resolve(bytes.subarray(at, at + size));
}

async function collect<T>(rows: AsyncIterable<FileRow<T>>): Promise<FileRow<T>[]> {
  const all: FileRow<T>[] = [];
  for await (const row of rows) all.push(row);
  return all;
}

test('CSV: header, byte-order mark, quotes, CRLF', async () => {
  const file = await readCsv(pieces('\ufeffa,b\r\n1,"x, ""y"""\r\n\r\n2,z'), ',');
  expect(file.header).toEqual(['a', 'b']);
  expect(await collect(file.rows)).toEqual([
    { kind: 'row', line: 2, row: ['1', 'x, "y"'] },
    { kind: 'row', line: 4, row: ['2', 'z'] },
  ]);
});

test('CSV: broken rows are named, the others are read', async () => {
  const file = await readCsv(pieces('a,b\n1\n2,x"y\n3,ok\n4,a,b\n5,ok\n'), ',');
  const rows = await collect(file.rows);
  expect(rows.filter((row) => row.kind === 'row').map((row) => row.row)).toEqual([
    ['3', 'ok'],
    ['5', 'ok'],
  ]);
  expect(rows.filter((row) => row.kind === 'unreadable').map((row) => row.line)).toEqual([2, 3, 5]);
});

test('CSV: invalid UTF-8 is not passed on as replacement characters', async () => {
  const file = await readCsv(
    pieces(Buffer.concat([Buffer.from('a\n'), Buffer.from([0x61, 0xff, 0x0a])])),
    ',',
  );
  expect(await collect(file.rows)).toEqual([{ kind: 'unreadable', line: 2, detail: 'is not UTF-8' }]);
});

test('CSV: an unclosed quote ends with an error instead of all memory', async () => {
  const read = async () =>
    collect((await readCsv(pieces(`a\n"${'x'.repeat(2 * MAX_ROW_BYTES)}`, 64 * 1024), ',')).rows);
  await expect(read()).rejects.toThrow(CsvFileError);
});

test('CSV: no header, or one that names a column twice, is refused', async () => {
  await expect(readCsv(pieces(''), ',')).rejects.toThrow('empty');
  await expect(readCsv(pieces('a,a\n1,2\n'), ',')).rejects.toThrow('twice');
});

test('JSON lines: objects, blank lines, and what is neither', async () => {
  const rows = await collect(readJsonLines(pieces('{"a":1}\n\n[1]\n{"a":\n  {"b":2}  \r\n"x"')));
  expect(rows.map((row) => (row.kind === 'row' ? row.row : row.line))).toEqual([{ a: 1 }, 3, 4, { b: 2 }, 6]);
});

test('JSON lines: a value keeps its digits, at the outermost level only', async () => {
  const rows = await collect(
    readJsonLines(
      pieces(
        '{"value":12345678901234567890.123456789,"attrs":{"value":1}}\n{"value":1e3}\n{"attrs":{"value":2.50}}',
      ),
    ),
  );
  expect(rows.map((row) => (row.kind === 'row' ? row.row : row))).toEqual([
    { value: '12345678901234567890.123456789', attrs: { value: 1 } },
    { value: 1000 },
    { attrs: { value: 2.5 } },
  ]);
});

test('JSON lines: a line over the bound is named and skipped, in any pieces', async () => {
  const text = `{"a":1}\n{"a":"${'x'.repeat(MAX_ROW_BYTES)}"}\n{"a":2}\n`;
  for (const size of [1_000, 3 * MAX_ROW_BYTES]) {
    const rows = await collect(readJsonLines(pieces(text, size)));
    expect(rows.map((row) => row.kind)).toEqual(['row', 'unreadable', 'row']);
    expect(rows[2]?.line).toBe(3);
  }
});

test('JSON lines: invalid UTF-8 is refused', async () => {
  const rows = await collect(
    readJsonLines(pieces(Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xff]), Buffer.from('"}\n')]))),
  );
  expect(rows).toEqual([{ kind: 'unreadable', line: 1, detail: 'is not UTF-8' }]);
});
