import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib';
import { BadRequestError } from './query-request.ts';

export class BodyTooLargeError extends Error {
  override name = 'BodyTooLargeError';
}

const decompressors: Record<string, () => NodeJS.ReadWriteStream> = {
  gzip: createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
  zstd: createZstdDecompress,
};

/** The whole body, decompressed, within a bound that holds for what comes out too. */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let sizeBytes = 0;
  for await (const piece of decompressed(request)) {
    const bytes = piece as Buffer;
    sizeBytes += bytes.length;
    if (sizeBytes > maxBytes) throw new BodyTooLargeError(`The body is larger than ${maxBytes} bytes`);
    pieces.push(bytes);
  }
  return Buffer.concat(pieces, sizeBytes);
}

function decompressed(request: IncomingMessage): AsyncIterable<unknown> {
  const encoding = request.headers['content-encoding'];
  if (encoding === undefined || encoding === 'identity') return request;
  const create = decompressors[encoding];
  if (!create) throw new BadRequestError(`Content-Encoding ${encoding} is not supported`);
  const output = create() as unknown as Readable & NodeJS.WritableStream;
  // An aborted upload must end the reader too.
  request.once('error', (error) => output.destroy(error));
  return request.pipe(output);
}
