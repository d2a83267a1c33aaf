/** Any sink that takes events over HTTP: our API, or one like Lago's or OpenMeter's. */
import type { Adapter, OpenAdapter } from '../../adapter.ts';
import { lagoFormat } from './formats/lago.ts';
import { meterhouseFormat } from './formats/meterhouse.ts';
import { openMeterFormat } from './formats/openmeter.ts';
import type { HttpOptions } from './options.ts';
import type { SinkFormat } from './sink-format.ts';
import { createSink } from './sink.ts';

export const openAdapter = ((options, { now }): Adapter => ({
  guarantees: { durableIn: 'sink', counts: 'exactly_once' },
  transport: createSink(options, formatOf(options), { now, fetch }),
  readUsage: null,
  check: null,
  classOf: null,
  close: () => Promise.resolve(),
})) satisfies OpenAdapter<HttpOptions>;

function formatOf({ format, valueProperty }: HttpOptions): SinkFormat {
  switch (format) {
    case 'meterhouse':
      return meterhouseFormat;
    case 'lago':
      return lagoFormat(valueProperty);
    case 'openmeter':
      return openMeterFormat(valueProperty);
  }
}
