import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { finished } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Admission } from './admission.ts';
import { answerError } from './error-answer.ts';
import type { Engine } from './engine.ts';
import { parseQueryRequest, type QueryRequest } from './query-request.ts';
import { readBody } from './request-body.ts';
import { runQuery, type Answer } from './run-query.ts';
import type { Sessions } from './sessions.ts';
import { contentType } from './statement.ts';

export interface HttpInterfaceOptions {
  engine: Engine;
  sessions: Sessions;
  admission: Admission;
  maxBodyBytes: number;
}

/** ClickHouse's HTTP interface, as far as @clickhouse/client, curl and the usual tools use it. */
export function httpInterface(options: HttpInterfaceOptions): RequestListener {
  return (request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const isQuestion = request.method === 'POST' || url.searchParams.has('query');
    if (!isQuestion && ['/', '/ping', '/replicas_status'].includes(url.pathname)) {
      response.setHeader('Content-Type', 'text/html; charset=UTF-8');
      response.end('Ok.\n');
      return;
    }
    if (!isQuestion || (url.pathname !== '/' && url.pathname !== '/query')) {
      response.statusCode = 404;
      response.end(
        `There is no handle ${url.pathname}\n\nUse / or /ping for health checks.\nOr POST a query.\n`,
      );
      return;
    }
    answerQuery(options, url, request, response).catch((error: unknown) => answerError(response, error));
  };
}

async function answerQuery(
  { engine, sessions, admission, maxBodyBytes }: HttpInterfaceOptions,
  url: URL,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const query = parseQueryRequest(url, request.headers);
  response.setHeader('X-ClickHouse-Query-Id', query.queryId);
  response.setHeader('X-ClickHouse-Timezone', 'UTC');
  const gone = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) gone.abort();
  });
  // The body is read only once there is a place, so that waiting requests hold no memory.
  await admission.run(async () => {
    if (gone.signal.aborted) return;
    const body = await readBody(request, maxBodyBytes);
    // The answer ends after the session is free again: whoever has read it may use the session at once.
    let end = (): Promise<void> => Promise.resolve();
    await runQuery(
      { engine, sessions, query, body, readOnly: request.method === 'GET', gone: gone.signal },
      async (answer) => {
        end = await sendAnswer(response, query, answer);
      },
    );
    await end();
  });
}

/** Writes all of the answer. @returns what ends it */
async function sendAnswer(
  response: ServerResponse,
  query: QueryRequest,
  answer: Answer,
): Promise<() => Promise<void>> {
  response.setHeader('Content-Type', contentType(answer.format));
  response.setHeader('X-ClickHouse-Format', answer.format);
  response.setHeader('X-ClickHouse-Summary', JSON.stringify(answer.summary));
  if (query.compressResponse) response.setHeader('Content-Encoding', 'gzip');
  const output = query.compressResponse ? createGzip() : response;
  if (output !== response) output.pipe(response);
  for await (const piece of answer.pieces) {
    // A reader that has gone leaves nothing to wait for: `drain` would never come.
    if (response.destroyed) break;
    if (!output.write(piece)) await drained(output, response);
  }
  return async () => {
    if (response.destroyed) return;
    output.end();
    await finished(response);
  };
}

function drained(output: NodeJS.WritableStream, response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      output.removeListener('drain', done);
      response.removeListener('close', done);
      resolve();
    };
    output.once('drain', done);
    response.once('close', done);
  });
}
