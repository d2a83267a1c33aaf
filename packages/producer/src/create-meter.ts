/** `createMeter`: what a service that produces usage calls once. */
import { pino, type Logger } from 'pino';
import type { Adapter, Tools } from './adapter.ts';
import { openChosen } from './adapters/index.ts';
import { AskError } from './ask-error.ts';
import { Asking } from './asking.ts';
import { throwIfDenied } from './check.ts';
import { parseConfiguration, type ParsedConfiguration } from './configuration/parse.ts';
import type { MeterConfiguration } from './configuration/schema.ts';
import { createIdSource } from './event-id.ts';
import { opened } from './lazy-adapter.ts';
import type { Meter, MeterPorts } from './meter.ts';
import { Recording } from './recording.ts';
import type { OnRefused } from './reporting.ts';

/** What is no configuration: it differs from one call to the next, not from one place to the next. */
export interface MeterParts {
  /** Default: says nothing. */
  readonly logger?: Logger;
  /** Called for each event given to `add` that is refused or given up. */
  readonly onRefused?: OnRefused;
  /** Time, ids and chance, for tests and imports. */
  readonly ports?: Partial<MeterPorts>;
}

/** An adapter of the service's own stands in the place of a name. */
export type AnyConfiguration =
  MeterConfiguration | (Omit<MeterConfiguration, 'adapter'> & { readonly adapter: Adapter });

/** @throws ConfigError with every problem of the configuration at once */
export function createMeter(configuration: AnyConfiguration, parts: MeterParts = {}): Meter {
  const { options, adapter: own } = parseConfiguration(configuration);
  const logger = parts.logger ?? pino({ level: 'silent' });
  const ports = meterPorts(parts.ports ?? {});
  const { now, clock, random } = ports;
  const tools: Tools = { source: options.source, logger, now, clock, random };
  const opening = opened(own ?? openChosen(options, tools));
  opening.adapter().catch((error: unknown) => {
    logger.error({ err: error, adapter: options.adapter }, 'the adapter of the meter cannot be loaded');
  });
  return assemble({ options, adapter: own }, opening, { ...parts, logger, ports });
}

type Assembled = MeterParts & { readonly logger: Logger; readonly ports: MeterPorts };

function assemble(
  { options, adapter: own }: ParsedConfiguration,
  opening: ReturnType<typeof opened>,
  { logger, onRefused, ports }: Assembled,
): Meter {
  const name = own === null ? options.adapter : 'custom';
  const { source, bounds } = options;
  const recording = new Recording({ source, transport: opening.transport, bounds, ports, logger, onRefused });
  const answering = { name: `the adapter ${name}`, reader: opening.adapter };
  const asking = new Asking({ usage: answering, check: answering, deadlineMs: 10_000, ports });
  const open = <T>(ask: () => Promise<T>): Promise<T> =>
    recording.isClosed ? Promise.reject(new AskError('closed', 'the meter is closed')) : ask();
  return {
    record: (event) => recording.record(event),
    add: (event) => recording.add(event),
    recordMany: (events, onOutcome) => recording.recordMany(events, onOutcome),
    getUsage: (question) => open(() => asking.getUsage(question)),
    check: (question) => open(() => asking.check(question)),
    checkOrThrow: async (question) => throwIfDenied(await open(() => asking.check(question))),
    flush: () => recording.flush(),
    close: async ({ deadlineMs = 10_000 } = {}) => {
      const counters = await recording.close(deadlineMs);
      await opening.close();
      return counters;
    },
    counters: () => recording.counters(),
    ready: async () => ({ adapter: name, guarantees: (await opening.adapter()).guarantees }),
  };
}

function meterPorts(given: Partial<MeterPorts>): MeterPorts {
  return {
    now: given.now ?? Date.now,
    clock: given.clock ?? (() => performance.now()),
    newId: given.newId ?? createIdSource(),
    random: given.random ?? Math.random,
  };
}
