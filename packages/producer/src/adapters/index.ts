/**
 * Opens what the configuration has chosen. Each case imports its adapter when it is reached: what the
 * others need may be missing.
 */
import type { Adapter, Tools } from '../adapter.ts';
import type { MeterOptions } from '../configuration/schema.ts';
import { sectionOf } from '../configuration/section-of.ts';
import { KAFKA_CLIENT, needing } from '../installed.ts';
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
    case 'http':
      return openHttp(options, tools);
    case 'postgres':
      return openPostgres(options, tools);
  }
}

async function openLog({ log }: MeterOptions, tools: Tools): Promise<Adapter> {
  const { openAdapter } = await import('./log/index.ts');
  return openAdapter(log ?? { level: 'info' }, tools);
}

async function openKafka({ kafka }: MeterOptions, tools: Tools): Promise<Adapter> {
  const { openAdapter } = await needing('the adapter kafka', KAFKA_CLIENT, () => import('./kafka/index.ts'));
  return openAdapter(sectionOf('kafka', kafka), tools);
}

async function openHttp({ http }: MeterOptions, tools: Tools): Promise<Adapter> {
  const { openAdapter } = await import('./http/index.ts');
  return openAdapter(sectionOf('http', http), tools);
}

async function openPostgres({ postgres }: MeterOptions, tools: Tools): Promise<Adapter> {
  const { openAdapter } = await needing('the adapter postgres', ['pg'], () => import('./postgres/index.ts'));
  return openAdapter(sectionOf('postgres', postgres), tools);
}
