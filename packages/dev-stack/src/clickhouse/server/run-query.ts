import { randomUUID } from 'node:crypto';
import { quoted, quotedName, type Connection, type Engine, type Outcome } from './engine.ts';
import type { QueryRequest } from './query-request.ts';
import type { Sessions } from './sessions.ts';
import { isInsert, isStreamable, outputFormat } from './statement.ts';

export interface QueryRun {
  engine: Engine;
  sessions: Sessions;
  query: QueryRequest;
  body: Buffer;
  readOnly: boolean;
  /** Aborted when the client has gone. */
  gone: AbortSignal;
}

export interface Answer {
  format: string;
  /** The content of X-ClickHouse-Summary. */
  summary: Record<string, string>;
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/** Runs one query on a connection of its own, or its session's, and hands the answer to `send`. */
export async function runQuery(run: QueryRun, send: (answer: Answer) => Promise<void>): Promise<void> {
  const { engine, sessions, query, gone } = run;
  const { session } = query;
  const connection = session ? sessions.take(session.id, session.mustExist) : engine.connect();
  const mark = randomUUID();
  const killed: Promise<void>[] = [];
  const kill = (): void => void killed.push(engine.kill(mark));
  try {
    await configure(engine, connection, run, mark);
    // From here the engine works; a client that has gone should not keep it busy.
    gone.addEventListener('abort', kill);
    await execute(run, connection, send);
  } finally {
    gone.removeEventListener('abort', kill);
    await Promise.allSettled(killed);
    if (session) {
      await resetSettings(engine, connection, query);
      sessions.giveBack(session.id, session.timeoutMs);
    } else {
      engine.disconnect(connection);
    }
  }
}

async function configure(engine: Engine, connection: Connection, run: QueryRun, mark: string): Promise<void> {
  const { query, readOnly } = run;
  if (query.database !== undefined)
    await engine.query(connection, `USE ${quotedName(query.database)}`, 'Null');
  const assignments = [
    `log_comment = ${quoted(mark)}`,
    ...[...query.settings].map(([name, value]) => `${name} = ${quoted(value)}`),
    ...[...query.parameters].map(([name, value]) => `param_${name} = ${quoted(value)}`),
    // As on a server, GET cannot write. A session would stay so: the setting forbids its own reset.
    ...(readOnly && !query.session ? ['readonly = 2'] : []),
  ];
  await engine.query(connection, `SET ${assignments.join(', ')}`, 'Null');
}

/** Settings in the URL hold for one query, also within a session. */
async function resetSettings(engine: Engine, connection: Connection, query: QueryRequest): Promise<void> {
  const names = ['log_comment', ...query.settings.keys()];
  for (const name of names)
    await engine.query(connection, `SET ${name} = DEFAULT`, 'Null').catch(() => undefined);
}

async function execute(
  run: QueryRun,
  connection: Connection,
  send: (answer: Answer) => Promise<void>,
): Promise<void> {
  const { engine, query, body } = run;
  const statement = query.query === '' ? body.toString('utf8', 0, Math.min(body.length, 4096)) : query.query;
  if (isInsert(statement)) {
    const outcome = await insert(engine, connection, query.query, body);
    return send({ format: query.defaultFormat, summary: summaryOf(outcome), pieces: [] });
  }
  const sql = [query.query, body.toString('utf8')].filter((text) => text !== '').join('\n');
  const format = outputFormat(sql, query.defaultFormat);
  if (isStreamable(sql, format)) {
    const pieces = await startStream(engine.stream(connection, sql, format));
    return send({ format, summary: summaryOf(undefined), pieces });
  }
  const outcome = await engine.query(connection, sql, format);
  return send({ format, summary: summaryOf(outcome), pieces: [outcome.bytes] });
}

/** A server takes an empty stream of rows for what it is; the engine alone calls it an error (108). */
async function insert(
  engine: Engine,
  connection: Connection,
  statement: string,
  rows: Buffer,
): Promise<Outcome | undefined> {
  try {
    return await engine.insert(connection, statement, rows);
  } catch (error) {
    const noData = error instanceof Error && error.message.startsWith('Code: 108.');
    if (noData && statement !== '' && rows.length === 0) return undefined;
    throw error;
  }
}

/** Waits for the first piece: an error before it is still an HTTP status, not a torn answer. */
async function startStream(pieces: AsyncGenerator<Uint8Array>): Promise<AsyncIterable<Uint8Array>> {
  const first = await pieces.next();
  return (async function* () {
    try {
      if (first.done) return;
      yield first.value;
      yield* pieces;
    } finally {
      await pieces.return(undefined);
    }
  })();
}

function summaryOf(outcome: Outcome | undefined): Record<string, string> {
  return {
    read_rows: String(outcome?.readRows ?? 0),
    read_bytes: String(outcome?.readBytes ?? 0),
    written_rows: String(outcome?.writtenRows ?? 0),
    written_bytes: String(outcome?.writtenBytes ?? 0),
    total_rows_to_read: '0',
    result_rows: '0',
    result_bytes: String(outcome?.bytes.length ?? 0),
    elapsed_ns: String(Math.round((outcome?.elapsedSeconds ?? 0) * 1e9)),
  };
}
