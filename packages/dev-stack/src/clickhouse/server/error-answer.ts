import type { ServerResponse } from 'node:http';
import { TooBusyError } from './admission.ts';
import { BadRequestError } from './query-request.ts';
import { BodyTooLargeError } from './request-body.ts';

/** As ClickHouse maps them; what is not named is 500. */
const statusByCode = new Map<number, number>([
  ...[6, 26, 27, 33, 36, 38, 41, 42, 43, 48, 53, 62, 69, 72, 117, 130, 131, 456, 457].map(
    (code) => [code, 400] as const,
  ),
  ...[16, 46, 47, 50, 60, 81, 115].map((code) => [code, 404] as const),
  [164, 403],
  [159, 408],
  [202, 503],
]);

/** The text and headers of a failed query, in the words by which clients know them. */
export function answerError(response: ServerResponse, error: unknown): void {
  // The answer has begun: a torn connection is the only way left to say that it is not whole.
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const { status, code, text } = describe(error);
  response.removeHeader('Content-Encoding');
  response.writeHead(status, {
    'Content-Type': 'text/plain; charset=UTF-8',
    'X-ClickHouse-Exception-Code': String(code),
  });
  response.end(`${text}\n`);
}

function describe(error: unknown): { status: number; code: number; text: string } {
  const message = error instanceof Error ? error.message : String(error);
  const found = /Code: (\d+)\. DB::Exception: /.exec(message);
  if (found) {
    const code = Number(found[1]);
    return { status: statusByCode.get(code) ?? 500, code, text: message.slice(found.index) };
  }
  const own = (code: number, name: string): string => `Code: ${code}. DB::Exception: ${message}. (${name})`;
  if (error instanceof TooBusyError)
    return { status: 503, code: 202, text: own(202, 'TOO_MANY_SIMULTANEOUS_QUERIES') };
  if (error instanceof BodyTooLargeError) return { status: 413, code: 307, text: own(307, 'TOO_MANY_BYTES') };
  if (error instanceof BadRequestError) return { status: 400, code: 36, text: own(36, 'BAD_ARGUMENTS') };
  return { status: 500, code: 1001, text: own(1001, 'STD_EXCEPTION') };
}
