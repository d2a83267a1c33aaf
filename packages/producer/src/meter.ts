/** `createMeter`: what a service that produces usage installs. */
import { pino, type Logger } from 'pino';
import type { UsageEvent } from '@meterhouse/usage';
import { newTally, type MeterCounters, type Tally } from './counters.ts';
import { Delivery, type DeliveryLimits } from './delivery.ts';
import { MeterError } from './errors.ts';
import { createIdSource } from './event-id.ts';
import type { UsageEventInput } from './event-input.ts';
import { createKafkaTransport, type KafkaTarget } from './kafka-transport.ts';
import { isInputRefusal, normalizeEvent, type EventDefaults } from './normalize.ts';
import { recordAll, type ImportOutcome, type ImportTotals } from './record-many.ts';
import { createReporter, type OnRefused } from './reporting.ts';
import type { Transport } from './transport.ts';

/** Where events go: to Kafka, or through a transport of one's own. */
export type MeterDestination = { readonly kafka: KafkaTarget } | { readonly transport: Transport };

export type MeterOptions = MeterDestination & {
  /** Who sends: the service's name. Stands in every event that names no other. */
  readonly source: string;
  /** Default: says nothing. */
  readonly logger?: Logger;
  /** Called for each event given to `add` that is refused or given up. */
  readonly onRefused?: OnRefused;
  readonly bounds?: MeterBounds;
  /** Time, ids and chance, for tests and imports. */
  readonly ports?: Partial<MeterPorts>;
};

export interface MeterBounds {
  /** Events that may wait for acknowledgement; default 100,000. */
  readonly bufferEvents?: number;
  /** Their estimated size; default 64 MiB. */
  readonly bufferBytes?: number;
  /** Events in one send; default 1,000. */
  readonly batchEvents?: number;
  /** Estimated size of one send; default 1 MiB. */
  readonly batchBytes?: number;
  /** How long a batch waits for more; default 5. */
  readonly lingerMs?: number;
  /** How long `record` waits for its acknowledgement; default 60,000. */
  readonly deliveryMs?: number;
  /** How long one send may take; default 15,000. */
  readonly attemptMs?: number;
}

export interface MeterPorts {
  /** Wall clock, epoch ms: an event's time where it gives none. */
  readonly now: () => number;
  /** Milliseconds that only go up, for deadlines. */
  readonly clock: () => number;
  readonly newId: (nowMs: number) => string;
  /** In [0, 1), for back-off. */
  readonly random: () => number;
}

export interface Meter {
  /**
   * Resolves with the event's id when the broker has it on all in-sync replicas.
   * @throws MeterError (as a rejection); after `not_acknowledged`, record `error.event` again
   */
  record(event: UsageEventInput): Promise<{ readonly id: string }>;
  /**
   * Takes an event into the buffer without waiting; tried until it is acknowledged or the meter is
   * closed. Never throws: what is refused is counted and reported.
   * @returns whether it was taken
   */
  add(event: UsageEventInput): boolean;
  /**
   * Records all, at the speed that the broker takes them: it waits for room instead of refusing.
   * @param onOutcome called once for each event with its position
   */
  recordMany(
    events: Iterable<UsageEventInput> | AsyncIterable<UsageEventInput>,
    onOutcome?: (index: number, outcome: ImportOutcome) => void,
  ): Promise<ImportTotals>;
  /**
   * Resolves when everything taken before the call is acknowledged.
   * @throws MeterError `not_acknowledged` if any of it was refused by the broker or given up
   */
  flush(): Promise<void>;
  /** Takes no more, delivers what it can within the deadline (default 10,000 ms), gives up the rest. */
  close(options?: { readonly deadlineMs?: number }): Promise<MeterCounters>;
  counters(): MeterCounters;
}

export function createMeter(options: MeterOptions): Meter {
  const logger = options.logger ?? pino({ level: 'silent' });
  const ports = meterPorts(options.ports ?? {});
  const transport =
    'transport' in options
      ? options.transport
      : createKafkaTransport(options.kafka, `meterhouse-producer-${options.source}`, logger);
  const tally = newTally();
  const delivery = new Delivery(transport, deliveryLimits(options.bounds ?? {}), tally, {
    clock: ports.clock,
    random: ports.random,
    logger,
  });
  const report = createReporter(logger, options.onRefused);
  const defaults: EventDefaults = { source: options.source, now: ports.now, newId: ports.newId };
  const deliveryMs = options.bounds?.deliveryMs ?? 60_000;
  let closed: Promise<MeterCounters> | null = null;

  /** The event, or why it is not taken; counted. */
  const admit = (input: UsageEventInput): UsageEvent | MeterError =>
    closed === null ? checked(input, defaults, tally) : countClosed(tally);

  const offer = (
    event: UsageEvent,
    deadline: number,
    settle: (error: MeterError | null) => void,
  ): MeterError | null => {
    if (closed !== null) return countClosed(tally);
    if (delivery.offer({ event, deadline, settle })) return null;
    tally.refused.buffer_full += 1;
    return new MeterError('buffer_full', `${delivery.buffer.size} usage events wait already`, { event });
  };

  const counters = (): MeterCounters => ({
    ...tally,
    refused: { ...tally.refused },
    buffered: delivery.buffer.size,
    bufferedBytes: delivery.buffer.bytes,
    producersRemade: transport.remakes(),
  });

  return {
    record: (input) =>
      new Promise((resolve, reject) => {
        const event = admit(input);
        if (event instanceof MeterError) {
          reject(event);
          return;
        }
        const refused = offer(event, ports.clock() + deliveryMs, (error) => {
          if (error === null) resolve({ id: event.id });
          else reject(error);
        });
        if (refused !== null) reject(refused);
      }),
    add: (input) => {
      const event = admit(input);
      const refused =
        event instanceof MeterError
          ? event
          : offer(event, Number.POSITIVE_INFINITY, (error) => {
              if (error !== null) report(error);
            });
      if (refused !== null) report(refused);
      return refused === null;
    },
    recordMany: (events, onOutcome) =>
      recordAll(events, onOutcome, {
        admit,
        room: () => delivery.room(),
        offer: (event, settle) => offer(event, ports.clock() + deliveryMs, settle),
      }),
    flush: async () => {
      const failed = await delivery.flush();
      if (failed > 0)
        throw new MeterError('not_acknowledged', `${failed} usage events were not acknowledged`);
    },
    close: ({ deadlineMs = 10_000 } = {}) => {
      closed ??= delivery.close(deadlineMs).then(counters);
      return closed;
    },
    counters,
  };
}

function checked(input: UsageEventInput, defaults: EventDefaults, tally: Tally): UsageEvent | MeterError {
  const event = normalizeEvent(input, defaults);
  if (!isInputRefusal(event)) return event;
  tally.refused[event.reason] += 1;
  return new MeterError('refused', `${event.field}: ${event.detail}`, event);
}

function countClosed(tally: Tally): MeterError {
  tally.refused.closed += 1;
  return new MeterError('closed', 'the meter is closed');
}

function deliveryLimits(bounds: MeterBounds): DeliveryLimits {
  return {
    buffer: { maxEvents: bounds.bufferEvents ?? 100_000, maxBytes: bounds.bufferBytes ?? 64 * 1024 * 1024 },
    batch: { maxEvents: bounds.batchEvents ?? 1_000, maxBytes: bounds.batchBytes ?? 1024 * 1024 },
    lingerMs: bounds.lingerMs ?? 5,
    attemptMs: bounds.attemptMs ?? 15_000,
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
