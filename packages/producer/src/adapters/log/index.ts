/** One line an event: for an audit where nobody counts. A line is written before it is acknowledged. */
import type { Adapter, OpenAdapter } from '../../adapter.ts';
import { allowed } from '../../check.ts';
import { openLogLines } from '../../log-lines/log-lines.ts';
import type { LogOptions } from '../../log-lines/options.ts';

export const openAdapter = ((options, { source }): Adapter => ({
  guarantees: { durableIn: 'log', counts: 'not_at_all' },
  transport: openLogLines(options, source),
  // Whoever reads the log can add it up; here nobody does.
  readUsage: null,
  check: (question) => Promise.resolve(allowed(question)),
  classOf: null,
  close: () => Promise.resolve(),
})) satisfies OpenAdapter<LogOptions>;
