/** One producing service of a fault run: the real @meterhouse/producer, driven at a steady pace. */
import { setTimeout as delay } from 'node:timers/promises';
import { createMeter, overTransport } from '@meterhouse/producer';
import { createLogger } from '@meterhouse/runtime';
import { leaveDriver, onMessage, sendToDriver } from '../processes/channel.ts';
import type { FromProducer, ProducerConfig, ProducerTotals, ToProducer } from '../processes/messages.ts';
import { Random } from '../random.ts';
import { EventStream } from './event-stream.ts';
import { OracleLine } from './oracle-line.ts';
import { Production } from './production.ts';
import { createSpreadTransport, type Damages } from './spread-transport.ts';

const TICK_MS = 20;
const MAX_IN_FLIGHT = 3_000;
/** Repetitions beside the floods, as a share of what is sent. */
const REPETITIONS = 0.1;
const STATUS_EVERY_MS = 1_000;
const CLOSE_MS = 30_000;
/** Shorter than the outages, so that sends are given up and made again. */
const BOUNDS = { attemptMs: 4_000, deliveryMs: 20_000 };

const send = (message: FromProducer): Promise<void> => sendToDriver(message);
const floods: number[] = [];
let finishing = false;

onMessage((received) => {
  const message = received as ToProducer;
  switch (message.kind) {
    case 'start':
      void produce(message);
      return;
    case 'flood':
      floods.push(message.events);
      return;
    case 'finish':
      finishing = true;
      return;
    default:
      message satisfies never;
  }
});

async function produce(config: ProducerConfig): Promise<void> {
  const logger = createLogger(`producer-${config.producer}`, 'info');
  const random = new Random(`${config.seed}/producer/${config.producer}`);
  const { urls, names } = config;
  const damages: Damages = { wanted: new Map(), payloads: new Map() };
  const source = `faults-${config.producer}`;
  const meter = createMeter(
    {
      adapter: 'kafka',
      kafka: { brokers: [urls.kafka], schemaRegistryUrl: urls.schemaRegistry, topic: names.topic },
      source,
      bounds: BOUNDS,
    },
    { logger },
  );
  const target = {
    broker: urls.kafka,
    schemaRegistry: urls.schemaRegistry,
    topic: names.topic,
    partitions: names.partitions,
  };
  const transport = createSpreadTransport(target, damages, random, logger);
  const spread = createMeter({ adapter: overTransport(transport), source, bounds: BOUNDS }, { logger });
  const oracle = await OracleLine.connect(config.oraclePort);
  const stream = new EventStream(config.seed, config.producer, config.startedAt);
  const production = new Production({ stream, meter, spread, damages, oracle, random, now: Date.now });
  const totals = (): ProducerTotals => ({
    acknowledged: production.acknowledged,
    duplicates: production.duplicates,
    retries: meter.counters().retries + spread.counters().retries,
  });
  const status = setInterval(() => {
    void send({ kind: 'status', ...totals() });
  }, STATUS_EVERY_MS);

  await pace(production, oracle, random, config);
  await production.settled();
  clearInterval(status);
  await Promise.all([meter.close({ deadlineMs: CLOSE_MS }), spread.close({ deadlineMs: CLOSE_MS })]);
  await oracle.end();
  await send({ kind: 'finished', ...totals() });
  leaveDriver();
}

/** Sends at the rate that was asked for, catches up after an outage, and floods in between. */
async function pace(
  production: Production,
  oracle: OracleLine,
  random: Random,
  { events, perSecond }: ProducerConfig,
): Promise<void> {
  const began = performance.now();
  for (;;) {
    if (finishing && production.started >= events) return;
    const due = finishing ? events : Math.floor(((performance.now() - began) / 1000) * perSecond);
    const flood = floods.shift();
    if (flood !== undefined) await send({ kind: 'flooded', events: await floodWith(production, flood) });
    while (production.started < due && production.inFlight < MAX_IN_FLIGHT && oracle.hasRoom()) {
      production.sendNew();
      if (random.chance(REPETITIONS)) production.sendAgain();
    }
    await delay(TICK_MS);
  }
}

/** @returns how many were sent again */
async function floodWith(production: Production, events: number): Promise<number> {
  for (let sent = 0; sent < events; sent++) {
    while (production.inFlight >= MAX_IN_FLIGHT) await delay(TICK_MS);
    if (!production.sendAgain()) return sent;
  }
  return events;
}
