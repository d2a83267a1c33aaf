/** What the interface must know of a statement before the engine has parsed it. */

const leadingComments = /^(?:\s+|--[^\n]*(?:\n|$)|#![^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)+/;

export function isInsert(statement: string): boolean {
  return /^insert\b/i.test(statement.replace(leadingComments, ''));
}

function isSelect(statement: string): boolean {
  return /^(?:select|with|\(\s*select)\b/i.test(statement.replace(leadingComments, ''));
}

/** The format of the answer: the statement's own, else the request's. */
export function outputFormat(statement: string, defaultFormat: string): string {
  const clause = /\bformat\s+(\w+)\s*(?:settings\s+[\s\S]*)?;?\s*$/i.exec(statement);
  return clause?.[1] ?? defaultFormat;
}

/** Formats in which pieces that are formatted one by one make up a whole: no header, no footer. */
const streamable = new Set([
  'JSONEachRow',
  'JSONStringsEachRow',
  'JSONCompactEachRow',
  'JSONCompactStringsEachRow',
  'TabSeparated',
  'TabSeparatedRaw',
  'TSV',
  'TSVRaw',
  'CSV',
  'RowBinary',
  'LineAsString',
]);

export function isStreamable(statement: string, format: string): boolean {
  return streamable.has(format) && isSelect(statement);
}

export function contentType(format: string): string {
  if (/^JSON.*EachRow/.test(format)) return 'application/x-ndjson; charset=UTF-8';
  if (format.startsWith('JSON')) return 'application/json; charset=UTF-8';
  if (format.startsWith('CSV')) return 'text/csv; charset=UTF-8; header=absent';
  if (/^(TabSeparated|TSV)/.test(format)) return 'text/tab-separated-values; charset=UTF-8';
  if (/^(RowBinary|Native|Parquet|Arrow|ORC|Avro)/.test(format)) return 'application/octet-stream';
  return 'text/plain; charset=UTF-8';
}
