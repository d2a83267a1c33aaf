/** Any sink that takes events over HTTP: our API, or one like Lago's or OpenMeter's. */
import type { Adapter, OpenAdapter, Reader } from '../../adapter.ts';
import { openReader as openApi } from '../../readers/api/index.ts';
import { lagoFormat } from './formats/lago.ts';
import { meterhouseFormat } from './formats/meterhouse.ts';
import { openMeterFormat } from './formats/openmeter.ts';
import type { HttpOptions } from './options.ts';
import type { SinkFormat } from './sink-format.ts';
import { createSink } from './sink.ts';

export const openAdapter = ((options, { now }): Adapter => ({
  guarantees: { durableIn: 'sink', counts: 'exactly_once' },
  transport: createSink(options, formatOf(options), { now, fetch }),
  ...answersOf(options),
})) satisfies OpenAdapter<HttpOptions>;

const NO_ANSWERS: Reader = {
  readUsage: null,
  check: null,
  classOf: null,
  close: () => Promise.resolve(),
};

/** Our own API answers too, as far as the key's role goes; without a key it answers nobody. */
function answersOf({ format, url, key }: HttpOptions): Reader {
  return format === 'meterhouse' && key !== undefined ? openApi({ url, key }) : NO_ANSWERS;
}

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
