/** Rows that could not be taken: all counted, the first ones kept to be shown, all written to a file if asked. */
import { createWriteStream, type WriteStream } from 'node:fs';
import { once } from 'node:events';

export interface RefusedRow {
  readonly file: string;
  readonly line: number;
  readonly field: string | null;
  readonly reason: string;
}

/** Shown to a person; more would only scroll by. */
const LISTED = 20;

export class RefusedRows {
  readonly listed: RefusedRow[] = [];
  #count = 0;
  readonly #stream: WriteStream | null;
  #failure: Error | null = null;

  /** @param path of a file for all of them, one JSON object a line; null for none */
  constructor(path: string | null) {
    this.#stream = path === null ? null : createWriteStream(path);
    this.#stream?.on('error', (error) => {
      this.#failure = error;
    });
  }

  get count(): number {
    return this.#count;
  }

  add(row: RefusedRow): void {
    this.#count += 1;
    if (this.listed.length < LISTED) this.listed.push(row);
    this.#stream?.write(`${JSON.stringify(row)}\n`);
  }

  /** Waits while the file cannot keep up, so that a file of nothing but bad rows is not held in memory. */
  async room(): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    if (this.#stream?.writableNeedDrain === true) await once(this.#stream, 'drain');
  }

  async close(): Promise<void> {
    const stream = this.#stream;
    if (stream !== null && this.#failure === null) {
      stream.end();
      await once(stream, 'close');
    }
    if (this.#failure !== null) throw this.#failure;
  }
}
