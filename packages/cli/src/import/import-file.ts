/**
 * One file through the real producer. Two passes: the first gives the content's SHA-256, which names
 * the import in every event; the second sends. A file that changes in between is refused at the end,
 * when nothing wrong has been written down yet.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { UsageEvent } from '@meterhouse/usage';
import { DigestCounts, TooManyDigestsError } from '../digest-counts.ts';
import { CommandError, UsageError } from '../exit.ts';
import { CsvFileError, readCsv, readJsonLines, type FileRow } from './file-rows.ts';
import { ImportTotals } from './import-totals.ts';
import { importSource, type Mapping } from './mapping.ts';
import type { SendEvents } from '../system/system.ts';
import type { RefusedRows } from './refused-rows.ts';
import {
  csvRowEvents,
  isRowProblem,
  jsonRowEvents,
  planCsv,
  type RowContext,
  type RowOutcome,
} from './row-events.ts';
import { createStampReader } from './stamps.ts';

export interface ImportJob {
  readonly file: string;
  readonly mapping: Mapping;
  readonly shiftDays: number;
  /** Rows without an id, and events with one, that may be remembered; 20 bytes each. */
  readonly maxRows: number;
}

export interface ImportPorts {
  readonly send: SendEvents;
  readonly refused: RefusedRows;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: { bytes: number; acknowledged: number }) => void;
}

export interface FileImport {
  readonly file: string;
  readonly source: string;
  readonly rows: number;
  readonly refusedRows: number;
  readonly events: number;
  readonly acknowledged: number;
  readonly notAcknowledged: number;
  readonly totals: ImportTotals;
}

/** SHA-256 and size of the file. */
export async function fingerprint(file: string): Promise<{ sha256: string; bytes: number }> {
  const digest = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    digest.update(chunk);
    bytes += chunk.length;
  }
  return { sha256: digest.digest('hex'), bytes };
}

/** @throws CommandError when the file cannot be read through; what was sent until then counts once all the same */
export async function importFile(job: ImportJob, sha256: string, ports: ImportPorts): Promise<FileImport> {
  const source = importSource(sha256, job.mapping, job.shiftDays);
  const run = new FileRun(job, source, ports);
  try {
    return await run.send(sha256);
  } catch (error) {
    if (error instanceof TooManyDigestsError)
      throw new CommandError(
        `${job.file} has more than ${error.maxEntries} rows to tell apart`,
        'raise --max-rows (20 bytes of memory a row)',
        error,
      );
    if (error instanceof CsvFileError) throw new CommandError(`${job.file}: ${error.message}`, null, error);
    throw error;
  }
}

/** An event on its way: where it stands, until the broker has it. */
interface Sent {
  readonly line: number;
  readonly ownId: boolean;
}

class FileRun {
  readonly #job: ImportJob;
  readonly #source: string;
  readonly #ports: ImportPorts;
  readonly #totals: ImportTotals;
  readonly #context: RowContext;
  readonly #reread = createHash('sha256');
  /** Bounded by the sender's buffer: an entry goes when its event is settled. */
  readonly #open = new Map<number, Sent>();
  #bytes = 0;
  #rows = 0;
  #refusedRows = 0;
  #events = 0;
  #acknowledged = 0;

  constructor(job: ImportJob, source: string, ports: ImportPorts) {
    this.#job = job;
    this.#source = source;
    this.#ports = ports;
    this.#totals = new ImportTotals(new DigestCounts({ maxEntries: job.maxRows }));
    this.#context = {
      source,
      shiftDays: job.shiftDays,
      readStamp: createStampReader(job.mapping.timeZone),
      seenRows: new DigestCounts({ maxEntries: job.maxRows }),
    };
  }

  async send(sha256: string): Promise<FileImport> {
    const { send, refused } = this.#ports;
    const counts = await send(this.#eventsOf(await this.#outcomes()), (index, outcome) => {
      const sent = this.#open.get(index);
      this.#open.delete(index);
      if (sent === undefined) throw new Error(`the outcome of event ${index} came twice`);
      switch (outcome.kind) {
        case 'acknowledged':
          this.#acknowledged += 1;
          this.#totals.add(outcome.event, sent.ownId);
          return;
        case 'refused':
          // Too large for the broker: the one thing that cannot be seen before.
          this.#refuse(sent.line, outcome.error.field, outcome.error.message);
          return;
        case 'not_acknowledged':
          return;
      }
    });
    await refused.room();
    if (this.#reread.digest('hex') !== sha256)
      throw new CommandError(`${this.#job.file} changed while it was imported`, 'import it again');
    return {
      file: this.#job.file,
      source: this.#source,
      rows: this.#rows,
      refusedRows: this.#refusedRows,
      events: this.#events,
      acknowledged: counts.acknowledged,
      notAcknowledged: counts.notAcknowledged,
      totals: this.#totals,
    };
  }

  async *#eventsOf(rows: AsyncIterable<FileRow<RowEvents>>): AsyncGenerator<UsageEvent> {
    const { signal, onProgress, refused } = this.#ports;
    for await (const read of rows) {
      if (signal.aborted)
        throw new CommandError('interrupted', 'import it again: what was sent will not count twice');
      this.#rows += 1;
      if (read.kind === 'unreadable') this.#refuse(read.line, null, read.detail);
      else if (isRowProblem(read.row.outcome))
        this.#refuse(read.line, read.row.outcome.field, read.row.outcome.detail);
      else
        for (const event of read.row.outcome) {
          this.#open.set(this.#events, { line: read.line, ownId: read.row.ownId });
          this.#events += 1;
          yield event;
        }
      if (this.#rows % 1_000 === 0) {
        onProgress({ bytes: this.#bytes, acknowledged: this.#acknowledged });
        await refused.room();
      }
    }
  }

  /** Rows turned into events, one at a time. */
  async #outcomes(): Promise<AsyncIterable<FileRow<RowEvents>>> {
    const { mapping, file } = this.#job;
    const context = this.#context;
    const chunks = this.#chunks();
    if (formatOf(file, mapping) === 'jsonl') {
      requirePlain(file, mapping);
      return mapRows(readJsonLines(chunks), (row) => ({
        outcome: jsonRowEvents(row, mapping, context),
        ownId: row['id'] !== undefined && row['id'] !== null,
      }));
    }
    const csv = await readCsv(chunks, mapping.delimiter);
    const plan = planCsv(file, csv.header, mapping);
    const idColumn = plan.fields.get('id');
    return mapRows(csv.rows, (row) => ({
      outcome: csvRowEvents(row, plan, mapping, context),
      ownId: idColumn !== undefined && (row[idColumn] ?? '') !== '',
    }));
  }

  async *#chunks(): AsyncGenerator<Buffer> {
    for await (const chunk of createReadStream(this.#job.file) as AsyncIterable<Buffer>) {
      this.#reread.update(chunk);
      this.#bytes += chunk.length;
      yield chunk;
    }
  }

  #refuse(line: number, field: string | null, reason: string): void {
    this.#refusedRows += 1;
    this.#ports.refused.add({ file: this.#job.file, line, field, reason });
  }
}

interface RowEvents {
  readonly outcome: RowOutcome;
  readonly ownId: boolean;
}

async function* mapRows<T, U>(
  rows: AsyncIterable<FileRow<T>>,
  map: (row: T) => U,
): AsyncGenerator<FileRow<U>> {
  for await (const read of rows)
    yield read.kind === 'row' ? { kind: 'row', line: read.line, row: map(read.row) } : read;
}

function formatOf(file: string, mapping: Mapping): 'csv' | 'jsonl' {
  if (mapping.format !== null) return mapping.format;
  if (/\.(csv|tsv|txt)$/i.test(file)) return 'csv';
  if (/\.(jsonl|ndjson|json)$/i.test(file)) return 'jsonl';
  throw new UsageError(`${file}: its ending does not say what it is; use --format csv or --format jsonl`);
}

/** JSON lines carry the event's own fields; options that would be passed over in silence are refused. */
function requirePlain(file: string, mapping: Mapping): void {
  const unused = [
    ...(Object.keys(mapping.map).length > 0 ? ['--map'] : []),
    ...(Object.keys(mapping.metrics).length > 0 ? ['--metric'] : []),
    ...(Object.keys(mapping.attrs).length > 0 ? ['--attr'] : []),
  ];
  if (unused.length > 0)
    throw new UsageError(
      `${file}: ${unused.join(', ')} ${unused.length === 1 ? 'is' : 'are'} for CSV; JSON lines carry the event's own fields`,
    );
}
