import { pino, type Logger } from 'pino';
import { createScrub, type Scrub } from './secrets.ts';

export type { Logger } from 'pino';

/**
 * JSON lines on standard output. Credentials are cut out of the whole line, also out of the messages and
 * errors of libraries.
 * @param scrub knows exact texts to cut out besides what looks like a credential
 */
export function createLogger(name: string, level: string, scrub: Scrub = createScrub()): Logger {
  return pino({
    name,
    level,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: {
      paths: [
        ...['url', '*.url', 'password', '*.password', 'connectionString', '*.connectionString'],
        // Of Node's HTTP parser: the bytes of a request, its key with them, which no text is found in.
        'err.rawPacket',
      ],
      censor: '[redacted]',
    },
    hooks: { streamWrite: scrub },
  });
}
