/** Opens the readers that the configuration names beside the adapter, each once. */
import type { Reader, Tools } from '../adapter.ts';
import type { MeterOptions } from '../configuration/schema.ts';
import { sectionOf } from '../configuration/section-of.ts';
import { KAFKA_CLIENT, needing } from '../installed.ts';

export type ReaderName = 'snapshots' | 'api' | 'postgres';

export interface Readers {
  /** Opens it now, so that it is ready when it is asked. @returns who resolves with it */
  readonly open: (name: ReaderName) => () => Promise<Reader>;
  /** Closes those that were opened. */
  readonly close: () => Promise<void>;
}

export function namedReaders(options: MeterOptions, tools: Tools): Readers {
  const opened = new Map<ReaderName, Promise<Reader>>();
  return {
    open: (name) => {
      const known = opened.get(name) ?? openNamed(name, options, tools);
      opened.set(name, known);
      known.catch((error: unknown) => {
        tools.logger.error({ err: error, reader: name }, 'a reader of the meter cannot be loaded');
      });
      return () => known;
    },
    close: async () => {
      for (const opening of opened.values()) {
        // One that could not be opened has nothing to close; whoever asked has been told why.
        const reader = await opening.catch(() => null);
        await reader?.close();
      }
    },
  };
}

async function openNamed(name: ReaderName, options: MeterOptions, tools: Tools): Promise<Reader> {
  switch (name) {
    case 'api': {
      const { openReader } = await import('./api/index.ts');
      return openReader(sectionOf('api', options.api));
    }
    case 'postgres': {
      const { openReader } = await import('./postgres/index.ts');
      return openReader(sectionOf('postgres', options.postgres), tools);
    }
    case 'snapshots': {
      const { openReader } = await needing(
        'the reader snapshots',
        KAFKA_CLIENT,
        () => import('./snapshots/index.ts'),
      );
      return openReader(sectionOf('snapshots', options.snapshots), tools);
    }
  }
}
