import type { Adapter, Guarantees } from './adapter.ts';
import type { Transport } from './transport.ts';

/** An adapter that delivers through a transport of one's own, and answers no questions. */
export function overTransport(
  transport: Transport,
  guarantees: Guarantees = { durableIn: 'sink', counts: 'exactly_once' },
): Adapter {
  return {
    guarantees,
    transport,
    readUsage: null,
    check: null,
    classOf: null,
    close: () => Promise.resolve(),
  };
}
