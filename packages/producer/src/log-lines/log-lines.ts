/** One line an event, by pino. What a file holds is only appended to; rotation is the platform's. */
import type { UsageEvent } from '@meterhouse/usage';
import pino, { type Logger } from 'pino';
import { TransportError, type Transport } from '../transport.ts';
import type { LogOptions } from './options.ts';

export function openLogLines({ level, file }: LogOptions, source: string): Transport {
  const destination = pino.destination({ dest: file ?? 1, append: true, mkdir: true, sync: true });
  const errors: Error[] = [];
  destination.on('error', (error: Error) => {
    errors[0] = error;
  });
  const logger: Logger = pino({ level, base: { service: source } }, destination);
  return {
    send: (events) => {
      errors.length = 0;
      // Synchronous: when the loop is over the operating system has the lines, or an error was emitted.
      for (const event of events) writeLine(logger, level, event);
      const [cause] = errors;
      if (cause === undefined) return Promise.resolve();
      return Promise.reject(new TransportError('unavailable', 'the log cannot be written', { cause }));
    },
    close: () => {
      if (file !== undefined) destination.end();
      return Promise.resolve();
    },
    remakes: () => 0,
  };
}

function writeLine(logger: Logger, level: LogOptions['level'], event: UsageEvent): void {
  logger[level]({ usageEvent: { ...event, ts: new Date(event.ts).toISOString() } }, 'usage event');
}
