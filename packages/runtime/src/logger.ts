import { pino, type Logger } from 'pino';

export type { Logger } from 'pino';

/** JSON lines on standard output. Connection URLs and credentials are cut out wherever they are logged. */
export function createLogger(name: string, level: string): Logger {
  return pino({
    name,
    level,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: {
      paths: ['url', '*.url', 'password', '*.password', 'connectionString', '*.connectionString'],
      censor: '[redacted]',
    },
  });
}
