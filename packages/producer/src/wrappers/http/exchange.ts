/**
 * One HTTP exchange as Node sees it, from the request's head to the end of its response.
 *
 * Bytes in: the head as it came, and the body before it is inflated, without the framing of chunks.
 * Told from the request alone, so that pipelined requests of two tenants are not mixed up.
 * Bytes out: what the socket took between the response's first byte and its last: head, framing of
 * chunks, body, interim responses. Under TLS both are what is inside of it. HTTP/2 shares its socket
 * among streams: there, and where there is no socket, both are the bodies only.
 */
import { IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { countWrites, sizeOf } from './count-writes.ts';

export interface Exchange {
  readonly method: string;
  /** Null where no status was sent, because the client had gone before. */
  readonly status: number | null;
  /** False: the connection ended before the response did. */
  readonly complete: boolean;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly durationNanos: bigint;
}

/** On the response itself: a weak set of all of them would be work for the garbage collector. */
const WATCHED = Symbol.for('meterhouse.watched');

/**
 * Watches an exchange from now on.
 * @param nanos a clock that only goes up
 * @param onEnd called exactly once, when the response is out or the connection is gone; gets what
 *   measures the exchange, and must not throw: it is called amid Node's own work
 * @returns false if this exchange is watched already
 */
export function watchExchange(
  request: IncomingMessage,
  response: ServerResponse & { [WATCHED]?: true },
  nanos: () => bigint,
  onEnd: (measure: () => Exchange) => void,
): boolean {
  if (response[WATCHED] === true) return false;
  response[WATCHED] = true;
  const startedAt = nanos();
  const method = request.method ?? '';
  const bytesIn = countBytesIn(request);
  const bytesOut = countBytesOut(request, response);
  let open = true;
  const end = (complete: boolean): void => {
    if (!open) return;
    open = false;
    onEnd(() => ({
      method,
      status: response.headersSent ? response.statusCode : null,
      complete,
      bytesIn: bytesIn(),
      bytesOut: bytesOut(),
      durationNanos: nanos() - startedAt,
    }));
  };
  // Before Node's own listener, which gives the socket to the next response and lets it write at once.
  response.prependListener('finish', () => {
    end(true);
  });
  response.on('close', () => {
    end(false);
  });
  if (response.socket === null) endWithSocket(request.socket, end);
  return true;
}

/** Responses that wait for their turn on a socket: nothing tells them when it closes before. */
const waiting = new WeakMap<Socket, Set<(complete: boolean) => void>>();

function endWithSocket(socket: Socket, end: (complete: boolean) => void): void {
  let ends = waiting.get(socket);
  if (ends === undefined) {
    const all = (ends = new Set());
    waiting.set(socket, all);
    socket.once('close', () => {
      for (const one of all) one(false);
    });
  }
  ends.add(end);
}

function countBytesIn(request: IncomingMessage): () => number {
  const body = countBody(request);
  if (!hasOwnSocket(request)) return body;
  // Frameworks shorten `url` where they are mounted; the original is what came.
  const original = 'originalUrl' in request ? request.originalUrl : undefined;
  const url = typeof original === 'string' ? original : (request.url ?? '');
  const requestLine = (request.method ?? '').length + url.length + ' '.length * 2 + 'HTTP/1.1\r\n'.length;
  return () => {
    const head = requestLine + fieldsBytes(request.rawHeaders) + 2;
    return head + body() + fieldsBytes(request.rawTrailers);
  };
}

/** Node reads heads as latin1: a character is a byte. */
function fieldsBytes(raw: readonly string[]): number {
  let bytes = raw.length * 2; // ': ' and CRLF for each pair
  for (const text of raw) bytes += text.length;
  return bytes;
}

function countBody(request: IncomingMessage): () => number {
  const { headers } = request;
  const length = headers['content-length'];
  if (request.httpVersionMajor < 2 && length === undefined && headers['transfer-encoding'] === undefined)
    return () => 0;
  // Whoever was first may have read it already; then its length is what it said of itself.
  let bytes = request.complete && length !== undefined ? Number(length) : request.readableLength;
  if (request.push === IncomingMessage.prototype.push) {
    // Each by itself: `Object.assign` would cost several times as much.
    const counted = request as IncomingMessage & { [BODY_BYTES]: number };
    counted[BODY_BYTES] = bytes;
    counted.push = countedPush;
    return () => counted[BODY_BYTES];
  }
  const push = request.push.bind(request);
  request.push = (chunk: unknown, encoding) => {
    bytes += sizeOf(chunk, encoding);
    return push(chunk, encoding);
  };
  return () => bytes;
}

const BODY_BYTES = Symbol('meterhouse.bodyBytes');

/** One for all requests: a function of each one's own would give each a shape of its own, which costs more than all else here. */
function countedPush(
  this: IncomingMessage & { [BODY_BYTES]: number },
  chunk: unknown,
  encoding?: BufferEncoding,
): boolean {
  this[BODY_BYTES] += sizeOf(chunk, encoding);
  return IncomingMessage.prototype.push.call(this, chunk, encoding);
}

function countBytesOut(request: IncomingMessage, response: ServerResponse): () => number {
  if (!hasOwnSocket(request)) return countWrites(response);
  let socket = response.socket;
  let base = socket?.bytesWritten ?? 0;
  // A pipelined response gets the socket when those before it are out.
  if (socket === null)
    response.once('socket', (assigned: Socket) => {
      socket = assigned;
      base = assigned.bytesWritten;
    });
  return () => (socket === null ? 0 : socket.bytesWritten - base);
}

/** Not with HTTP/2; and what `inject` and its kin put in a socket's place does not count. */
function hasOwnSocket(request: IncomingMessage): boolean {
  const socket: Partial<Socket> = request.socket;
  return request.httpVersionMajor === 1 && typeof socket.bytesWritten === 'number';
}
