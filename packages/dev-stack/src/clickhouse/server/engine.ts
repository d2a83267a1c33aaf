import { createRequire } from 'node:module';

declare const connectionBrand: unique symbol;
/** A connection of the engine: settings, parameters and the current database are its own. */
export interface Connection {
  readonly [connectionBrand]: true;
}

declare const streamBrand: unique symbol;
interface StreamHandle {
  readonly [streamBrand]: true;
}

interface QueryResult {
  bytes: Uint8Array;
  elapsed: number;
  rowsRead: number;
  bytesRead: number;
}

interface InsertResult {
  elapsed: number;
  rowsWritten: number;
  bytesWritten: number;
}

/** The part of chdb's addon that is used here (chdb 3.4.0, `dist/loader.js`). */
interface Addon {
  CreateConnection(path: string, args?: readonly string[]): Connection;
  CloseConnection(connection: Connection): void;
  QueryAsyncConnection(connection: Connection, sql: string, format: string): Promise<QueryResult>;
  InsertRawAsyncConnection(
    connection: Connection,
    prefix: string,
    data: Uint8Array,
    countLines: boolean,
  ): Promise<InsertResult>;
  StreamQuery(connection: Connection, sql: string, format: string): StreamHandle;
  StreamFetch(handle: StreamHandle): Promise<{ done: boolean; bytes: Uint8Array }>;
  StreamCancel(handle: StreamHandle): void;
}

/**
 * chdb's public Session allows only some insert formats and shares query parameters between sessions. Its addon
 * has neither limit. The package does not export the loader, hence the look past its export map.
 */
function loadAddon(): Addon {
  const require = createRequire(import.meta.url);
  const { loadNative } = createRequire(require.resolve('chdb'))('./dist/loader.js') as {
    loadNative: () => Addon;
  };
  return loadNative();
}

export interface Outcome {
  bytes: Uint8Array;
  readRows: number;
  readBytes: number;
  writtenRows: number;
  writtenBytes: number;
  elapsedSeconds: number;
}

/** The engine over one data folder. */
export class Engine {
  readonly #addon = loadAddon();
  readonly #dir: string;
  /** Holds the folder open between queries. */
  readonly #first: Connection;

  constructor(dir: string, configPath: string) {
    this.#dir = dir;
    this.#first = this.#addon.CreateConnection(dir, [`--config-file=${configPath}`]);
  }

  /** Costs 0.15 ms, so that every HTTP query can have its own. */
  connect(): Connection {
    return this.#addon.CreateConnection(this.#dir);
  }

  /** Only when nothing runs on it any more: the engine does not survive the opposite. */
  disconnect(connection: Connection): void {
    this.#addon.CloseConnection(connection);
  }

  async query(connection: Connection, sql: string, format: string): Promise<Outcome> {
    const result = await this.#addon.QueryAsyncConnection(connection, sql, format);
    return {
      bytes: result.bytes,
      readRows: result.rowsRead,
      readBytes: result.bytesRead,
      writtenRows: 0,
      writtenBytes: 0,
      elapsedSeconds: result.elapsed,
    };
  }

  /** `statement` and `data` are one INSERT; the data may be binary and is not copied. */
  async insert(connection: Connection, statement: string, data: Uint8Array): Promise<Outcome> {
    const result = await this.#addon.InsertRawAsyncConnection(connection, statement, data, false);
    return {
      bytes: new Uint8Array(),
      readRows: 0,
      readBytes: 0,
      writtenRows: result.rowsWritten,
      writtenBytes: result.bytesWritten,
      elapsedSeconds: result.elapsed,
    };
  }

  /** A SELECT's result piece by piece; each piece is formatted by itself. */
  async *stream(connection: Connection, sql: string, format: string): AsyncGenerator<Uint8Array> {
    const handle = this.#addon.StreamQuery(connection, sql, format);
    try {
      for (;;) {
        const piece = await this.#addon.StreamFetch(handle);
        if (piece.done) return;
        yield piece.bytes;
      }
    } finally {
      this.#addon.StreamCancel(handle);
    }
  }

  /** Ends a running query by the mark that its connection carries. */
  async kill(mark: string): Promise<void> {
    await this.query(this.#first, `KILL QUERY WHERE Settings['log_comment'] = ${quoted(mark)} ASYNC`, 'Null');
  }

  close(): void {
    this.disconnect(this.#first);
  }
}

/** A SQL string literal. */
export function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

/** A SQL identifier. */
export function quotedName(name: string): string {
  return `\`${name.replaceAll('\\', '\\\\').replaceAll('`', '\\`')}\``;
}
