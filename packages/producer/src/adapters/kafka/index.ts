/** The pipeline: to a broker, from where the aggregator counts. It answers no questions by itself. */
import type { Adapter, OpenAdapter } from '../../adapter.ts';
import type { KafkaOptions } from './options.ts';
import { createKafkaTransport } from './transport.ts';

export const openAdapter = ((options, { source, logger }): Adapter => ({
  guarantees: { durableIn: 'broker', counts: 'exactly_once' },
  transport: createKafkaTransport(options, `meterhouse-producer-${source}`, logger),
  readUsage: null,
  check: null,
  classOf: null,
  close: () => Promise.resolve(),
})) satisfies OpenAdapter<KafkaOptions>;
