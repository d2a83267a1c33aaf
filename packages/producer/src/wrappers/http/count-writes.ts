import type { ServerResponse } from 'node:http';

/** Counts the bytes of a response's body by what is handed to `write` and `end`. */
export function countWrites(response: ServerResponse): () => number {
  let bytes = 0;
  let ending = false;
  const write = response.write.bind(response) as (...args: unknown[]) => boolean;
  const end = response.end.bind(response) as (...args: unknown[]) => ServerResponse;
  response.write = (...args: unknown[]) => {
    if (!ending) bytes += sizeOf(args[0], args[1]);
    return write(...args);
  };
  response.end = (...args: unknown[]) => {
    if (!ending) bytes += sizeOf(args[0], args[1]);
    // HTTP/2 ends by writing what is left; it is counted already.
    ending = true;
    return end(...args);
  };
  return () => (response.req.method === 'HEAD' ? 0 : bytes);
}

/** @param encoding of a text; UTF-8 where it is none */
export function sizeOf(chunk: unknown, encoding: unknown): number {
  if (chunk instanceof Uint8Array) return chunk.byteLength;
  if (typeof chunk !== 'string') return 0;
  return Buffer.byteLength(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8');
}
