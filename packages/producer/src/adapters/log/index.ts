/**
 * One line an event, by pino: for an audit where nobody counts. Rotation is left to the platform, so a
 * file is only appended to. A line is written, and flushed to the operating system, before it is
 * acknowledged.
 */
import type { UsageEvent } from '@meterhouse/usage';
import pino, { type Logger } from 'pino';
import type { Adapter, OpenAdapter } from '../../adapter.ts';
import { allowed } from '../../check.ts';
import { TransportError, type Transport } from '../../transport.ts';
import type { LogOptions } from './options.ts';

export const openAdapter = ((options, { source }): Adapter => ({
  guarantees: { durableIn: 'log', counts: 'not_at_all' },
  transport: lines(options, source),
  // A log can be added up by whoever reads it, but not here.
  readUsage: null,
  check: (question) => Promise.resolve(allowed(question)),
  classOf: null,
  close: () => Promise.resolve(),
})) satisfies OpenAdapter<LogOptions>;

function lines({ level, file }: LogOptions, source: string): Transport {
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
