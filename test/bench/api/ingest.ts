/**
 * Events over HTTP, in batches, as a share of what the producer does by itself: the same events on the
 * same broker, in turns. Over HTTP the API is a process of its own, as in production, and the senders
 * share the machine with it.
 */
import { createMeter } from '@meterhouse/producer';
import type { Endpoints } from '@meterhouse/dev-stack';
import { Releases } from '@meterhouse/runtime';
import type { UsageEvent } from '@meterhouse/usage';
import { z } from 'zod';
import { loadSystem, type LoadSystem } from '../../load/system.ts';
import { benchEvent, seededRandom } from '../events.ts';
import { ratios, showSpread, spreadOf, type Spread } from '../statistics.ts';

export interface IngestOptions {
  readonly rounds: number;
  readonly events: number;
  readonly batchEvents: number;
  readonly connections: number;
  readonly say: (line: string) => void;
}

export interface IngestFigures {
  readonly share: Spread;
  readonly httpEventsPerSecond: Spread;
  readonly producerEventsPerSecond: Spread;
}

export async function measureIngest(endpoints: Endpoints, options: IngestOptions): Promise<IngestFigures> {
  const releases = new Releases();
  try {
    const system = await loadSystem(endpoints, releases);
    await system.startApi();
    const http: number[] = [];
    const producer: number[] = [];
    // A round that is not counted: connections, schemas and compiled code are there for both.
    for (let round = 0; round <= options.rounds; round++) {
      const byProducer = await throughProducer(endpoints, system.topic, eventsOf(round * 2, options.events));
      const byHttp = await throughHttp(system, eventsOf(round * 2 + 1, options.events), options);
      if (round === 0) continue;
      producer.push(byProducer);
      http.push(byHttp);
      options.say(
        `round ${round}   producer ${Math.round(byProducer)} events/s   HTTP ${Math.round(byHttp)} events/s`,
      );
    }
    return {
      share: spreadOf(ratios(http, producer)),
      httpEventsPerSecond: spreadOf(http),
      producerEventsPerSecond: spreadOf(producer),
    };
  } finally {
    await releases.releaseAll();
  }
}

export function showIngest(figures: IngestFigures, { rounds, events, batchEvents }: IngestOptions): string[] {
  return [
    `events over HTTP in batches of ${batchEvents}, acknowledged; median (lowest to highest) of ${rounds} rounds in turn, ${events} events each`,
    `HTTP ÷ producer   ${showSpread(figures.share, 2)}`,
    `events/s          HTTP ${showSpread(figures.httpEventsPerSecond, 0)} · producer ${showSpread(figures.producerEventsPerSecond, 0)}`,
  ];
}

function eventsOf(seed: number, count: number): UsageEvent[] {
  const random = seededRandom(seed + 1);
  const start = Date.now() - 3_600_000;
  return Array.from({ length: count }, (_, n) => benchEvent(n, start, random));
}

/** @returns events a second, until the last is acknowledged */
async function throughProducer(
  endpoints: Endpoints,
  topic: string,
  events: readonly UsageEvent[],
): Promise<number> {
  const kafka = { brokers: [endpoints.kafka], schemaRegistryUrl: endpoints.schemaRegistry, topic };
  const meter = createMeter({ adapter: 'kafka', kafka, source: 'bench' });
  try {
    const [first] = events;
    if (first !== undefined) await meter.record(first);
    const startedAt = performance.now();
    const totals = await meter.recordMany(events);
    const elapsedMs = performance.now() - startedAt;
    if (totals.acknowledged !== events.length) throw new Error(JSON.stringify(totals));
    return (events.length * 1_000) / elapsedMs;
  } finally {
    await meter.close();
  }
}

const answer = z.object({ acknowledged: z.int() });

/** @returns events a second, until the last is acknowledged */
async function throughHttp(
  { url, key }: LoadSystem,
  events: readonly UsageEvent[],
  { batchEvents, connections }: IngestOptions,
): Promise<number> {
  const bodies: string[] = [];
  for (let from = 0; from < events.length; from += batchEvents)
    bodies.push(JSON.stringify(events.slice(from, from + batchEvents)));
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  let acknowledged = 0;
  const waiting = bodies.values();
  const send = async (): Promise<void> => {
    for (const body of waiting) {
      const response = await fetch(`${url}/v1/events`, { method: 'POST', headers, body });
      if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
      acknowledged += answer.parse(await response.json()).acknowledged;
    }
  };
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: connections }, send));
  const elapsedMs = performance.now() - startedAt;
  if (acknowledged !== events.length) throw new Error(`${acknowledged} of ${events.length} acknowledged`);
  return (events.length * 1_000) / elapsedMs;
}
