/**
 * One file of a spool: usage events on disk in the order in which they came, held by one process.
 * SQLite, in two settings that matter. `locking_mode=EXCLUSIVE`: the lock is the kernel's and goes with
 * the process, however it ends, so a file is never taken twice and never stays locked behind a dead one.
 * `synchronous`: NORMAL hands each event to the kernel, where it outlives the process; FULL waits for the
 * disk, so that it outlives the machine's power too, at the price of one disk write an event.
 */
import { hash } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import type * as Sqlite from 'node:sqlite';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { UsageEvent } from '@meterhouse/usage';
import { originOf, rememberOrigin } from '../traces.ts';

/** What an event that `append` returned for outlives. */
export type SpoolDurability = 'process' | 'power';

export interface SpooledRow {
  readonly seq: number;
  readonly sizeBytes: number;
  /** The text as it stands in the file, where it is no event any more. */
  readonly event: UsageEvent | { readonly unreadable: string };
}

/** Why an event was refused for good. */
export interface WhySetAside {
  readonly reason: string;
  /** The field that is to blame; null where none is known. */
  readonly field: string | null;
  /** In words. */
  readonly detail: string | null;
}

export interface SetAsideRow extends WhySetAside {
  readonly seq: number;
  /** Epoch ms at which it was taken, or last put back in line. */
  readonly atMs: number;
  readonly sizeBytes: number;
  /** The event as JSON, or what is left of it. */
  readonly text: string;
}

/** Names what was set aside. Numbers come again once a file has been empty: the text has to be the same, too. */
export interface SetAsideMark {
  readonly seq: number;
  /** SHA-256 of the text, in hex. */
  readonly digest: string;
}

export function markOf({ seq, text }: Pick<SetAsideRow, 'seq' | 'text'>): SetAsideMark {
  return { seq, digest: hash('sha256', text, 'hex') };
}

const FORMAT = 1;
/** 4 KiB pages of log between two checkpoints, each of which waits for the disk. */
const CHECKPOINT_PAGES = 4_000;
/** What an outage has made large is made small again in steps of so many pages, a millisecond or so each. */
const SHRINK_PAGES = 256;
const SQLITE_BUSY = 5;
/** SQLite's codes carry what made them so above their lowest byte. */
const PRIMARY_CODE = 0xff;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, bytes INTEGER NOT NULL, event TEXT NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS set_aside (
    seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, bytes INTEGER NOT NULL, reason TEXT NOT NULL, event TEXT NOT NULL
  ) STRICT;
  PRAGMA user_version = ${FORMAT};`;
/** Added later, and optional: a version that does not know them goes on writing to the same file. */
const ADDED_COLUMNS = [
  ['set_aside', 'field'],
  ['set_aside', 'detail'],
  ['events', 'traceparent'],
] as const;

export class SpoolFile {
  readonly path: string;
  readonly #database: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #select: StatementSync;
  readonly #oldest: StatementSync;
  readonly #setAside: StatementSync;
  readonly #selectAside: StatementSync;
  readonly #oneAside: StatementSync;
  readonly #forgetAside: StatementSync;
  readonly #forgetOne: StatementSync;
  readonly #through: StatementSync;
  readonly #forget: StatementSync;
  #lastSeq: number;
  #events: number;
  #bytes: number;
  #setAsideEvents: number;
  /** Asked for with each event: read from the file only after some were forgotten. */
  #oldestAtMs: number | null = null;

  /**
   * Usage says who does what: a file is for its owner's eyes, and so is the log that SQLite keeps beside it.
   * Made by name alone, and never opened past SQLite again: closing any descriptor of a file ends all locks
   * that the process has on it.
   * @returns null where another process, looking through the folder, has taken it meanwhile
   * @throws Error where the name is taken
   */
  static create(path: string, durability: SpoolDurability): SpoolFile | null {
    closeSync(openSync(path, 'wx', 0o600));
    return SpoolFile.open(path, durability);
  }

  /**
   * @returns null where another process, or another spool of this one, holds the file
   * @throws Error where it is no spool file, or one of a later version
   */
  static open(path: string, durability: SpoolDurability): SpoolFile | null {
    const database = openDatabase(path);
    try {
      return new SpoolFile(path, database, durability);
    } catch (error) {
      database.close();
      if (isBusy(error)) return null;
      throw new Error(`${path}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }

  private constructor(path: string, database: DatabaseSync, durability: SpoolDurability) {
    this.path = path;
    this.#database = database;
    database.exec(`PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA auto_vacuum = INCREMENTAL;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = ${durability === 'power' ? 'FULL' : 'NORMAL'};
      PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};`);
    const format = this.#number('PRAGMA user_version');
    if (format > FORMAT) throw new Error(`its format is ${format}, and this version knows ${FORMAT}`);
    database.exec(`BEGIN IMMEDIATE; ${SCHEMA} COMMIT;`);
    for (const [table, added] of ADDED_COLUMNS) {
      const columns = database.prepare(`PRAGMA table_info(${table})`).all();
      if (!columns.some(({ name }) => name === added))
        database.exec(`ALTER TABLE ${table} ADD COLUMN ${added} TEXT`);
    }
    this.#insert = database.prepare(
      'INSERT INTO events (seq, at, bytes, event, traceparent) VALUES (?, ?, ?, ?, ?)',
    );
    this.#select = database.prepare(
      'SELECT seq, bytes, event, traceparent FROM events WHERE seq > ? ORDER BY seq LIMIT ?',
    );
    this.#oldest = database.prepare('SELECT at FROM events ORDER BY seq LIMIT 1');
    this.#setAside = database.prepare(
      `INSERT INTO set_aside (seq, at, bytes, reason, field, detail, event)
       SELECT seq, at, bytes, ?, ?, ?, event FROM events WHERE seq = ?`,
    );
    const aside = 'SELECT seq, at, bytes, reason, field, detail, event FROM set_aside';
    this.#selectAside = database.prepare(`${aside} WHERE seq > ? ORDER BY seq LIMIT ?`);
    this.#oneAside = database.prepare(`${aside} WHERE seq = ?`);
    this.#forgetAside = database.prepare('DELETE FROM set_aside WHERE seq = ?');
    this.#forgetOne = database.prepare('DELETE FROM events WHERE seq = ?');
    this.#through = database.prepare(
      'SELECT count(*) AS events, coalesce(sum(bytes), 0) AS bytes FROM events WHERE seq <= ?',
    );
    this.#forget = database.prepare('DELETE FROM events WHERE seq <= ?');
    this.#events = this.#number('SELECT count(*) FROM events');
    this.#setAsideEvents = this.#number('SELECT count(*) FROM set_aside');
    this.#bytes =
      this.#number('SELECT coalesce(sum(bytes), 0) FROM events') +
      this.#number('SELECT coalesce(sum(bytes), 0) FROM set_aside');
    this.#lastSeq = this.#number(
      `SELECT max(coalesce((SELECT max(seq) FROM events), 0), coalesce((SELECT max(seq) FROM set_aside), 0))`,
    );
  }

  /** Events that wait. */
  get events(): number {
    return this.#events;
  }

  /** Of the events that wait and of those set aside, as text. */
  get bytes(): number {
    return this.#bytes;
  }

  get setAsideEvents(): number {
    return this.#setAsideEvents;
  }

  /** The number of the last event that was ever appended. */
  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** Epoch ms at which the oldest event that waits was appended; null where none waits. */
  oldestAtMs(): number | null {
    if (this.#events === 0) return null;
    this.#oldestAtMs ??= Number(this.#oldest.get()?.['at']);
    return this.#oldestAtMs;
  }

  /**
   * Returns when the event is durable.
   * @throws Error where the disk does not take it; then nothing of it is there
   */
  append(event: UsageEvent, atMs: number): void {
    const text = JSON.stringify(event);
    const sizeBytes = Buffer.byteLength(text);
    this.#insert.run(this.#lastSeq + 1, atMs, sizeBytes, text, originOf(event));
    this.#lastSeq += 1;
    this.#events += 1;
    this.#bytes += sizeBytes;
  }

  /** The next events after a number, in order. */
  readAfter(seq: number, maxEvents: number): SpooledRow[] {
    return this.#select.all(seq, maxEvents).map((row) => ({
      seq: Number(row['seq']),
      sizeBytes: Number(row['bytes']),
      event: parsed(String(row['event']), row['traceparent']),
    }));
  }

  /** Moves an event to where a person finds it: it was refused for good. */
  setAside(seq: number, { reason, field, detail }: WhySetAside): void {
    const moved = this.#atOnce(() => {
      const { changes } = this.#setAside.run(reason, field, detail, seq);
      this.#forgetOne.run(seq);
      return Number(changes);
    });
    this.#events -= moved;
    this.#setAsideEvents += moved;
    this.#oldestAtMs = null;
  }

  /** The next events that were set aside after a number, in order. */
  setAsideAfter(seq: number, maxEvents: number): SetAsideRow[] {
    return this.#selectAside.all(seq, maxEvents).map(asSetAside);
  }

  /**
   * Puts what was set aside at the end of the line, each once; what is not there any more is left out.
   * @returns how many
   */
  putBack(marks: readonly SetAsideMark[], atMs: number): number {
    const moved = this.#takeAside(marks, ({ text, sizeBytes }, index) => {
      // Of no request any more: it was put back by a person.
      this.#insert.run(this.#lastSeq + index + 1, atMs, sizeBytes, text, null);
    });
    this.#lastSeq += moved.length;
    this.#events += moved.length;
    // Age is of the line: what comes back to its end is not the oldest.
    return moved.length;
  }

  /**
   * Forgets what was set aside; what is not there any more is left out.
   * @returns how many
   */
  discard(marks: readonly SetAsideMark[]): number {
    const dropped = this.#takeAside(marks, () => undefined);
    for (const { sizeBytes } of dropped) this.#bytes -= sizeBytes;
    return dropped.length;
  }

  /** Forgets the events up to a number: they are where they were to go. */
  forgetThrough(seq: number): void {
    const through = this.#through.get(seq);
    this.#forget.run(seq);
    this.#events -= Number(through?.['events'] ?? 0);
    this.#bytes -= Number(through?.['bytes'] ?? 0);
    this.#oldestAtMs = null;
    if (this.#events === 0) this.#shrink();
  }

  close(): void {
    // The meter tells of its spool after that too.
    this.oldestAtMs();
    this.#database.close();
  }

  #takeAside(
    marks: readonly SetAsideMark[],
    act: (row: SetAsideRow, index: number) => void,
  ): readonly SetAsideRow[] {
    const taken = this.#atOnce(() => {
      const rows: SetAsideRow[] = [];
      for (const mark of marks) {
        const found = this.#oneAside.get(mark.seq);
        if (found === undefined) continue;
        const row = asSetAside(found);
        if (markOf(row).digest !== mark.digest) continue;
        act(row, rows.length);
        this.#forgetAside.run(row.seq);
        rows.push(row);
      }
      return rows;
    });
    this.#setAsideEvents -= taken.length;
    return taken;
  }

  /** In one transaction: all of it, or nothing. */
  #atOnce<T>(work: () => T): T {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.#database.exec('COMMIT');
      return result;
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  #shrink(): void {
    if (this.#number('PRAGMA freelist_count') > SHRINK_PAGES)
      this.#database.exec(`PRAGMA incremental_vacuum(${SHRINK_PAGES})`);
  }

  #number(sql: string): number {
    const row = this.#database.prepare(sql).get();
    return Number(Object.values(row ?? {})[0] ?? 0);
  }
}

/** Looked up when it is needed: a meter without a spool runs on a Node that has no SQLite. */
function openDatabase(path: string): DatabaseSync {
  // Typed as always there; on an old Node it is not.
  const sqlite = process.getBuiltinModule('node:sqlite') as typeof Sqlite | undefined;
  if (sqlite === undefined) throw new Error('a spool needs Node 22.13 or later');
  return new sqlite.DatabaseSync(path, { timeout: 0 });
}

function parsed(text: string, traceparent: unknown): UsageEvent | { readonly unreadable: string } {
  try {
    const event = JSON.parse(text) as UsageEvent;
    if (typeof traceparent === 'string') rememberOrigin(event, traceparent);
    return event;
  } catch {
    return { unreadable: text };
  }
}

function asSetAside(row: Readonly<Record<string, unknown>>): SetAsideRow {
  const { field, detail } = row;
  return {
    seq: Number(row['seq']),
    atMs: Number(row['at']),
    sizeBytes: Number(row['bytes']),
    reason: String(row['reason']),
    field: typeof field === 'string' ? field : null,
    detail: typeof detail === 'string' ? detail : null,
    text: String(row['event']),
  };
}

function isBusy(error: unknown): boolean {
  return (
    error instanceof Error && 'errcode' in error && (Number(error.errcode) & PRIMARY_CODE) === SQLITE_BUSY
  );
}
