/**
 * Opens what the configuration has chosen. Each case imports its adapter when it is reached: what the
 * others need may be missing.
 */
import type { Adapter, Tools } from '../adapter.ts';
import type { MeterOptions } from '../configuration/schema.ts';
import { sectionOf } from '../configuration/section-of.ts';
import { openAdapter as openNoop } from './noop/index.ts';

/** An adapter that is imported comes as a promise; one that costs nothing is there at once. */
export function openChosen(options: MeterOptions, tools: Tools): Adapter | Promise<Adapter> {
  switch (options.adapter) {
    case 'noop':
      return openNoop(options.noop ?? { checkEvents: false });
    case 'log':
      return openLog(options, tools);
    case 'kafka':
      return openKafka(options, tools);
  }
}

async function openLog({ log }: MeterOptions, tools: Tools): Promise<Adapter> {
  const { openAdapter } = await import('./log/index.ts');
  return openAdapter(log ?? { level: 'info' }, tools);
}

async function openKafka({ kafka }: MeterOptions, tools: Tools): Promise<Adapter> {
  const { openAdapter } = await import('./kafka/index.ts');
  return openAdapter(sectionOf('kafka', kafka), tools);
}
