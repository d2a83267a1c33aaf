/** A file as a stream of rows, of which at most one is in memory: CSV with a header, or JSON lines. */
import { TextDecoder } from 'node:util';
import { parse, type CsvError } from 'csv-parse';

/** A row that could be read, or why it could not. Lines count from 1. */
export type FileRow<T> =
  | { readonly kind: 'row'; readonly line: number; readonly row: T }
  | { readonly kind: 'unreadable'; readonly line: number; readonly detail: string };

/** Longer lines and records are refused: an unclosed quote would swallow the rest of the file. */
export const MAX_ROW_BYTES = 1024 * 1024;

export interface CsvFile {
  readonly header: readonly string[];
  /** Values in the order of the header. */
  readonly rows: AsyncGenerator<FileRow<readonly string[]>>;
}

/** The file is not CSV with a header. */
export class CsvFileError extends Error {
  override name = 'CsvFileError';
}

interface Parsed {
  readonly record: readonly string[];
  readonly info: { readonly lines: number };
}

/** @throws CsvFileError when there is no header or a record is over the bound; the generator throws it too */
export async function readCsv(chunks: AsyncIterable<Buffer>, delimiter: string): Promise<CsvFile> {
  const skipped: FileRow<never>[] = [];
  const parser = parse({
    bom: true,
    delimiter,
    info: true,
    max_record_size: MAX_ROW_BYTES,
    relax_column_count: true,
    skip_empty_lines: true,
    skip_records_with_error: true,
    on_skip: (error: CsvError | undefined) => {
      // It would be skipped byte by byte, to the end of the file.
      if (error?.code === 'CSV_MAX_RECORD_SIZE') parser.destroy(new CsvFileError(oversize(error)));
      else skipped.push({ kind: 'unreadable', line: lineOf(error), detail: error?.message ?? 'is not CSV' });
      return undefined;
    },
  });
  const records = recordsOf(parser, chunks);
  const first = await records.next();
  if (first.done === true) throw new CsvFileError('the file is empty: a header was expected');
  const header = first.value.record;
  const repeated = header.find((name, index) => header.indexOf(name) !== index);
  if (repeated !== undefined) throw new CsvFileError(`the header names ${JSON.stringify(repeated)} twice`);
  return { header, rows: csvRows(records, header.length, skipped) };
}

function lineOf(error: CsvError | undefined): number {
  return typeof error?.['lines'] === 'number' ? error['lines'] : 0;
}

function oversize(error: CsvError): string {
  return `the record at line ${lineOf(error)} is longer than ${MAX_ROW_BYTES} bytes: a quote may not be closed`;
}

async function* recordsOf(
  parser: ReturnType<typeof parse>,
  chunks: AsyncIterable<Buffer>,
): AsyncGenerator<Parsed> {
  const feeding = feed(parser, chunks);
  try {
    // The parser's own type does not know that it yields records.
    for await (const parsed of parser as AsyncIterable<Parsed>) yield parsed;
  } catch (error) {
    if (!(error instanceof Error) || error instanceof CsvFileError) throw error;
    throw new CsvFileError(error.message, { cause: error });
  } finally {
    parser.destroy();
    await feeding;
  }
}

/** Writes the chunks at the speed at which the parser takes them. Its end is the parser's: errors come out there. */
async function feed(parser: ReturnType<typeof parse>, chunks: AsyncIterable<Buffer>): Promise<void> {
  try {
    for await (const chunk of chunks) {
      if (parser.destroyed) return;
      if (parser.write(chunk)) continue;
      await new Promise<void>((resolve) => {
        const go = (): void => {
          parser.off('drain', go);
          parser.off('close', go);
          resolve();
        };
        parser.once('drain', go);
        parser.once('close', go);
      });
    }
    parser.end();
  } catch (error) {
    parser.destroy(error instanceof Error ? error : new Error(String(error)));
  }
}

async function* csvRows(
  records: AsyncGenerator<Parsed>,
  columns: number,
  skipped: FileRow<never>[],
): AsyncGenerator<FileRow<readonly string[]>> {
  for await (const { record, info } of records) {
    const line = info.lines;
    // The parser reads ahead: what it skipped further down waits for its turn.
    while ((skipped[0]?.line ?? line) < line) yield* skipped.splice(0, 1);
    if (record.length !== columns)
      yield {
        kind: 'unreadable',
        line,
        detail: `has ${record.length} columns, the header has ${columns}`,
      };
    else if (record.some((value) => value.includes('\ufffd')))
      yield { kind: 'unreadable', line, detail: 'is not UTF-8' };
    else yield { kind: 'row', line, row: record };
  }
  yield* skipped.splice(0);
}

/** A member `value` keeps the digits that stand in the file: a float would lose some. */
export type JsonRow = Readonly<Record<string, unknown>>;

export async function* readJsonLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<FileRow<JsonRow>> {
  const utf8 = new TextDecoder('utf-8', { fatal: true });
  for await (const { line, bytes } of lines(chunks)) {
    if (bytes === null) {
      yield { kind: 'unreadable', line, detail: `is longer than ${MAX_ROW_BYTES} bytes` };
      continue;
    }
    const row = parseLine(bytes, utf8);
    if (row === null) continue;
    yield typeof row === 'string' ? { kind: 'unreadable', line, detail: row } : { kind: 'row', line, row };
  }
}

/** @returns null for a blank line, words for one that is not a JSON object */
function parseLine(bytes: Buffer, utf8: TextDecoder): JsonRow | string | null {
  let text: string;
  try {
    text = utf8.decode(bytes).trim();
  } catch {
    return 'is not UTF-8';
  }
  if (text === '') return null;
  try {
    const parsed = parseKeepingValue(text);
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
      ? (parsed as JsonRow)
      : 'is not a JSON object';
  } catch (error) {
    return `is not JSON: ${error instanceof Error ? error.message : String(error)}`.slice(0, 200);
  }
}

const PLAIN_NUMBER = /^-?[0-9]+(\.[0-9]+)?$/;

type Reviver = (this: unknown, key: string, value: unknown, context?: { source?: string }) => unknown;

/** JSON.parse, except that the outermost `value` is the text of its number. */
function parseKeepingValue(text: string): unknown {
  const sources = new Map<unknown, string | undefined>();
  const reviver: Reviver = function (key, value, context) {
    if (key === 'value' && typeof value === 'number') sources.set(this, context?.source);
    return value;
  };
  const parsed: unknown = JSON.parse(text, reviver);
  const source = sources.get(parsed);
  if (source !== undefined && PLAIN_NUMBER.test(source))
    (parsed as Record<string, unknown>)['value'] = source;
  return parsed;
}

const LINE_FEED = 0x0a;

/** Lines without their feed; `bytes` is null where the line is over the bound, and its rest is skipped. */
async function* lines(chunks: AsyncIterable<Buffer>): AsyncGenerator<{ line: number; bytes: Buffer | null }> {
  let line = 1;
  let parts: Buffer[] = [];
  let size = 0;
  const take = (part: Buffer): void => {
    size += part.length;
    if (size <= MAX_ROW_BYTES) parts.push(part);
    else parts = [];
  };
  const finish = (): { line: number; bytes: Buffer | null } => {
    const whole = { line: line++, bytes: size <= MAX_ROW_BYTES ? Buffer.concat(parts) : null };
    parts = [];
    size = 0;
    return whole;
  };
  for await (const chunk of chunks) {
    let from = 0;
    for (let at = chunk.indexOf(LINE_FEED); at !== -1; at = chunk.indexOf(LINE_FEED, from)) {
      take(chunk.subarray(from, at));
      yield finish();
      from = at + 1;
    }
    if (from < chunk.length) take(chunk.subarray(from));
  }
  if (size > 0) yield finish();
}
