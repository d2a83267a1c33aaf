/** One query in any of the forms that pg takes: its caller sees no difference, its usage is told once. */
import type { EventEmitter } from 'node:events';
import { Readable } from 'node:stream';
import { ask, type Problems } from '../problems.ts';

interface QueryRows {
  readonly command: string;
  readonly rows: number;
  readonly bytes: number;
}

export type QueryUsage = (of: QueryRows) => void;

type Callback = (error: unknown, result: unknown, ...rest: unknown[]) => void;

interface ResultLike {
  readonly command?: string;
  readonly rowCount?: number | null;
  readonly rows?: readonly object[];
}

/** @param query of the pool or client itself */
export function meteredQuery(
  query: (...args: unknown[]) => unknown,
  args: readonly unknown[],
  usage: QueryUsage,
  problems: Problems,
): unknown {
  const count = (result: unknown): void => {
    // Several statements in one text have several results.
    ask('counting', () => [result].flat().forEach((one) => tell(one as ResultLike, usage)), problems);
  };
  const [first] = args;
  if (isSubmittable(first)) {
    followSubmittable(first, count, usage);
    return query(...args);
  }
  const counting =
    (callback: Callback): Callback =>
    (error, result, ...rest) => {
      if (!isFailure(error)) count(result);
      callback(error, result, ...rest);
    };
  const at = args.findLastIndex((arg) => typeof arg === 'function');
  if (at >= 0) return query(...args.with(at, counting(args[at] as Callback)));
  if (hasCallback(first)) return query({ ...first, callback: counting(first.callback) }, ...args.slice(1));
  return (query(...args) as Promise<unknown>).then((result) => {
    count(result);
    return result;
  });
}

function isFailure(error: unknown): boolean {
  return error !== null && error !== undefined;
}

function tell(result: ResultLike, usage: QueryUsage): void {
  const rows = result.rows ?? [];
  const bytes = rows.reduce((sum, row) => sum + rowBytes(row), 0);
  usage({ command: result.command ?? 'OTHER', rows: result.rowCount ?? rows.length, bytes });
}

/** Values as they came back, whether rows are objects or arrays. */
function rowBytes(row: object): number {
  let bytes = 0;
  for (const value of Object.values(row) as unknown[]) bytes += valueBytes(value);
  return bytes;
}

function valueBytes(value: unknown): number {
  if (value === null || value === undefined) return 0;
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (value instanceof Uint8Array) return value.byteLength;
  if (typeof value === 'bigint') return value.toString().length;
  if (value instanceof Date) return value.toJSON().length;
  return Buffer.byteLength(JSON.stringify(value));
}

interface Submittable extends EventEmitter {
  submit: unknown;
  read?: (...args: unknown[]) => unknown;
}

function isSubmittable(value: unknown): value is Submittable {
  return (
    typeof value === 'object' && value !== null && 'submit' in value && typeof value.submit === 'function'
  );
}

function hasCallback(value: unknown): value is { callback: Callback } {
  return (
    typeof value === 'object' && value !== null && 'callback' in value && typeof value.callback === 'function'
  );
}

/** pg-query-stream by its chunks, pg-cursor by its reads, pg's own Query by its end. */
function followSubmittable(query: Submittable, count: (result: unknown) => void, usage: QueryUsage): void {
  if (query instanceof Readable) followStream(query, usage);
  else if (typeof query.read === 'function') followCursor(query, query.read.bind(query), usage);
  else query.once('end', count);
}

function followStream(stream: Readable, usage: QueryUsage): void {
  let rows = 0;
  let bytes = 0;
  const emit = stream.emit.bind(stream) as (...args: unknown[]) => boolean;
  stream.emit = (name: string | symbol, ...args: unknown[]) => {
    if (name === 'data') {
      rows += 1;
      bytes += valueBytesOfRow(args[0]);
    }
    return emit(name, ...args);
  };
  // After its end, its error, or when its reader has had enough: what was delivered.
  stream.once('close', () => {
    usage({ command: 'SELECT', rows, bytes });
  });
}

function followCursor(cursor: Submittable, read: (...args: unknown[]) => unknown, usage: QueryUsage): void {
  const count = (rows: unknown): void => {
    if (!Array.isArray(rows)) return;
    const bytes = rows.reduce<number>((sum, row) => sum + valueBytesOfRow(row), 0);
    usage({ command: 'SELECT', rows: rows.length, bytes });
  };
  cursor.read = (...args: unknown[]) => {
    const callback = args[1];
    if (typeof callback !== 'function')
      return (read(...args) as Promise<unknown>).then((rows) => {
        count(rows);
        return rows;
      });
    return read(args[0], (error: unknown, rows: unknown, ...rest: unknown[]) => {
      if (!isFailure(error)) count(rows);
      (callback as Callback)(error, rows, ...rest);
    });
  };
}

function valueBytesOfRow(row: unknown): number {
  return typeof row === 'object' && row !== null ? rowBytes(row) : 0;
}
