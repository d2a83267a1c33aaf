/** The body as bytes: bounded as it comes, and again while it is inflated. */
import type { Readable } from 'node:stream';
import { constants, createGunzip, createZstdDecompress } from 'node:zlib';
import { errorCode } from '@meterhouse/postgres';
import { ApiProblem } from '../http/problem.ts';
import { MAX_BODY_BYTES } from './bounds.ts';
import type { IntakeLease } from './intake-budget.ts';

/** A zstd frame names the memory that decoding it takes, up to gigabytes; RFC 8878 asks for 8 MiB. */
const ZSTD_WINDOW_LOG = 23;
/**
 * What is read and thrown away of a body that is too large: who is cut off in the middle of sending
 * often never reads why.
 */
const MAX_DISCARDED_BYTES = 4 * MAX_BODY_BYTES;

/**
 * @param encoding the request's `Content-Encoding`
 * @throws ApiProblem `too_large`, `unsupported_media_type`, `invalid_request`, and the lease's own
 */
export async function readBody(
  payload: Readable,
  encoding: string | undefined,
  lease: IntakeLease,
): Promise<Buffer> {
  const inflater = inflaterFor(encoding);
  const sent = await collect(payload, lease);
  return inflater === null ? sent : inflate(sent, inflater(), lease);
}

/** Zlib's streams count what they have taken of their input. */
type Inflater = Readable & { readonly bytesWritten: number; end(input: Buffer): unknown };

function inflaterFor(encoding: string | undefined): (() => Inflater) | null {
  switch (encoding?.trim().toLowerCase()) {
    case undefined:
    case '':
    case 'identity':
      return null;
    case 'gzip':
    case 'x-gzip':
      return () => createGunzip();
    case 'zstd':
      return () => createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG } });
    default:
      throw new ApiProblem(
        'unsupported_media_type',
        'Content-Encoding: gzip and zstd are taken, one of them.',
      );
  }
}

async function collect(payload: Readable, lease: IntakeLease): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  let problem: ApiProblem | null = null;
  for await (const chunk of chunksOf(payload)) {
    bytes += chunk.length;
    if (bytes > MAX_DISCARDED_BYTES) break;
    problem ??= bytes > MAX_BODY_BYTES ? tooLarge('has') : taken(lease, chunk.length);
    if (problem === null) chunks.push(chunk);
    else {
      chunks.length = 0;
      lease.release();
    }
  }
  if (problem !== null) throw problem;
  return Buffer.concat(chunks);
}

async function* chunksOf(payload: Readable): AsyncGenerator<Buffer> {
  try {
    // Left to itself, the iterator would destroy the connection that the answer goes to.
    yield* payload.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
  } catch (error) {
    throw new ApiProblem('invalid_request', 'The body ended before its end.', { cause: error });
  }
}

function taken(lease: IntakeLease, bytes: number): ApiProblem | null {
  try {
    lease.take(bytes);
    return null;
  } catch (error) {
    if (error instanceof ApiProblem) return error;
    throw error;
  }
}

async function inflate(sent: Buffer, inflater: Inflater, lease: IntakeLease): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    inflater.end(sent);
    // It runs no further ahead than its own small buffer, and is destroyed when this loop is left.
    for await (const chunk of inflater as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MAX_BODY_BYTES) throw tooLarge('inflates to');
      lease.take(chunk.length);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof ApiProblem) throw error;
    throw new ApiProblem('invalid_request', `The body cannot be inflated (${errorCode(error)}).`, {
      cause: error,
    });
  }
  // Of several zstd frames Node reads the first and says nothing of the others.
  if (inflater.bytesWritten !== sent.length)
    throw new ApiProblem('invalid_request', 'Something follows the compressed body: send it as one frame.');
  return Buffer.concat(chunks);
}

function tooLarge(verb: string): ApiProblem {
  return new ApiProblem(
    'too_large',
    `The body ${verb} more than ${MAX_BODY_BYTES} bytes. Nothing was taken.`,
  );
}
