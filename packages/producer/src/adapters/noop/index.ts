/** Takes everything and keeps nothing: for internal use and tests. Its answers say that nobody counts. */
import type { Adapter, OpenAdapter } from '../../adapter.ts';
import { allowed } from '../../check.ts';
import type { NoopOptions } from './options.ts';

export const openAdapter = (({ checkEvents }): Adapter => ({
  guarantees: { durableIn: 'nothing', counts: 'not_at_all' },
  transport: checkEvents ? discarding : null,
  readUsage: () => Promise.resolve({ value: '0', unit: null, origin: 'nothing', completeThrough: null }),
  check: (question) => Promise.resolve(allowed(question)),
  classOf: null,
  close: () => Promise.resolve(),
})) satisfies OpenAdapter<NoopOptions>;

/** Behind it, an event goes through every check that it would go through on its way to a broker. */
const discarding: NonNullable<Adapter['transport']> = {
  send: () => Promise.resolve(),
  close: () => Promise.resolve(),
  remakes: () => 0,
};
