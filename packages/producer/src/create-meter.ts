/** `createMeter`: what a service that produces usage calls once. */
import { pino, type Logger } from 'pino';
import type { Tools } from './adapter.ts';
import { openChosen } from './adapters/index.ts';
import { AskError } from './answers/ask-error.ts';
import { Asking, type Answering } from './answers/asking.ts';
import { openUsageCache } from './answers/open-usage-cache.ts';
import { throwIfDenied } from './check.ts';
import type { Bounds } from './configuration/bounds.ts';
import {
  findConfiguration,
  parseObject,
  type AnyConfiguration,
  type ParsedConfiguration,
  type Surroundings,
} from './configuration/parse.ts';
import type { MeterOptions } from './configuration/schema.ts';
import { sectionOf } from './configuration/section-of.ts';
import type { MeterCounters } from './counters.ts';
import { createIdSource } from './event-id.ts';
import { inTime } from './in-time.ts';
import { opened, type OpenedAdapter } from './lazy-adapter.ts';
import type { Meter, MeterPorts } from './meter.ts';
import { namedReaders, type ReaderName } from './readers/index.ts';
import { Recording } from './recording.ts';
import type { OnRefused } from './reporting.ts';
import { openWeights } from './weights/open-weights.ts';

/** What is no configuration: it differs from one call to the next, not from one place to the next. */
export interface MeterParts extends Partial<Surroundings> {
  /** Default: says nothing. */
  readonly logger?: Logger;
  /** Called for each event given to `add` that is refused or given up. */
  readonly onRefused?: OnRefused;
  /** Time, ids and chance, for tests and imports. */
  readonly ports?: Partial<MeterPorts>;
}

/**
 * Without a configuration it is found: in a file, and in the environment (see configuration/parse.ts).
 * This is the one place that looks at the process for it; everything below is told.
 * @throws ConfigError with every problem of the configuration at once
 */
export function createMeter(configuration?: AnyConfiguration, parts: MeterParts = {}): Meter {
  const { env = process.env, cwd = process.cwd() } = parts;
  const { options, adapter: own } =
    configuration === undefined ? findConfiguration({ env, cwd }) : parseObject(configuration);
  const logger = parts.logger ?? pino({ level: 'silent' });
  const ports = meterPorts(parts.ports ?? {});
  const { now, clock, random } = ports;
  const tools: Tools = { source: options.source, logger, now, clock, random };
  const opening = opened(own ?? openChosen(options, tools));
  opening.adapter().catch((error: unknown) => {
    logger.error({ err: error, adapter: options.adapter }, 'the adapter of the meter cannot be loaded');
  });
  return assemble({ options, adapter: own }, opening, parts.onRefused, tools, ports);
}

function assemble(
  { options, adapter: own }: ParsedConfiguration,
  opening: OpenedAdapter,
  onRefused: OnRefused | undefined,
  tools: Tools,
  ports: MeterPorts,
): Meter {
  const name = own === null ? options.adapter : 'custom';
  const readers = namedReaders(options, tools);
  const answering = (from: ReaderName | 'adapter'): Answering =>
    from === 'adapter'
      ? { name: `the adapter ${name}`, reader: opening.adapter }
      : { name: `the reader ${from}`, reader: readers.open(from) };
  const cache = openUsageCache(options.usage, tools);
  const recording = new Recording({
    source: options.source,
    transport: opening.transport,
    bounds: boundsFor(options),
    sums: options.sums.everyMs === 0 ? null : options.sums,
    spool: options.delivery === 'spool' ? sectionOf('spool', options.spool) : null,
    ports,
    logger: tools.logger,
    onRefused,
    ...openWeights(options, answering, tools),
  });
  const asking = new Asking({
    usage: answering(options.usage.from),
    check: answering(options.check.from),
    cache,
    bounds: options,
    ports,
  });
  const open = <T>(ask: () => Promise<T>): Promise<T> =>
    recording.isClosed ? Promise.reject(new AskError('closed', 'the meter is closed')) : ask();
  let closing: Promise<MeterCounters> | null = null;
  const close = async (deadlineMs: number): Promise<MeterCounters> => {
    const deadline = ports.clock() + deadlineMs;
    const counters = await recording.close(deadlineMs);
    const closed = Promise.all([cache?.close(), opening.close(), readers.close()]);
    if (!(await inTime(closed, deadline - ports.clock())))
      tools.logger.warn({ deadlineMs }, 'what the meter asks with was not closed in time');
    return counters;
  };
  return {
    record: (event) => recording.record(event),
    add: (event) => recording.add(event),
    addUp: (usage) => recording.addUp(usage),
    recordMany: (events, onOutcome) => recording.recordMany(events, onOutcome),
    getUsage: (question) => open(() => asking.getUsage(question)),
    check: (question) => open(() => asking.check(question)),
    checkOrThrow: async (question) => throwIfDenied(await open(() => asking.check(question))),
    flush: () => recording.flush(),
    close: ({ deadlineMs = 10_000 } = {}) => (closing ??= close(deadlineMs)),
    counters: () => recording.counters(),
    ready: async () => ({ adapter: name, guarantees: (await opening.adapter()).guarantees }),
  };
}

/** A sink is sent no more at once than it takes. */
function boundsFor({ adapter, bounds, http }: MeterOptions): Bounds {
  if (adapter !== 'http' || http === undefined) return bounds;
  return { ...bounds, batchEvents: Math.min(bounds.batchEvents, http.batchSize) };
}

function meterPorts(given: Partial<MeterPorts>): MeterPorts {
  return {
    now: given.now ?? Date.now,
    clock: given.clock ?? (() => performance.now()),
    newId: given.newId ?? createIdSource(),
    random: given.random ?? Math.random,
  };
}
