/**
 * `npm run bench`: how fast counting is, as ratios of runs that took turns on one machine.
 *
 *   a  bare kafkajs consumer, JSON.parse          c  our aggregator, one process, durable commits
 *   b  bare kafkajs consumer, Avro                d  one upsert with a de-duplication CTE an event
 *
 * Events are encoded and in the topic before the clock starts.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startStack, type Endpoints } from '@meterhouse/dev-stack';
import { createKafka, createRegistry, registerEventSchema } from '@meterhouse/kafka';
import { createLogger } from '@meterhouse/runtime';
import { fillTopics } from './fill.ts';
import { measureLatency, type Latency } from './latency.ts';
import { runContender, type Figures, type Kind } from './run-contender.ts';
import { ratios, showSpread, spreadOf, type Spread } from './statistics.ts';

const PARTITIONS = 4;
const HOUR_MS = 3_600_000;

const { values: args } = parseArgs({
  options: {
    json: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    events: { type: 'string', default: '200000' },
    'naive-events': { type: 'string', default: '5000' },
    'backlog-events': { type: 'string', default: '2000000' },
    'latency-seconds': { type: 'string', default: '30' },
  },
});

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const run = randomBytes(3).toString('hex');

const dataDir = await mkdtemp(join(tmpdir(), 'meterhouse-bench-'));
const stack = await startStack({ dataDir, onProgress: say });
try {
  const rounds = await interleave(stack.endpoints);
  const backlog = await backlogMemory(stack.endpoints);
  const counted = spreadOf(rounds.aggregator.map((figures) => figures.eventsPerSecond)).median;
  const latency = await measureLatency(stack.endpoints, {
    eventsPerSecond: Math.floor(counted / 2),
    seconds: Number(args['latency-seconds']),
    say,
  });
  const report = summarize(rounds, backlog, latency);
  for (const line of report.lines) say(line);
  if (args.json !== undefined) await writeFile(args.json, `${JSON.stringify(report.figures, null, 2)}\n`);
} finally {
  await stack.stop();
  await rm(dataDir, { recursive: true, force: true });
}

type Rounds = Record<Kind, Figures[]>;

async function interleave(endpoints: Endpoints): Promise<Rounds> {
  const events = Number(args.events);
  const topics = { avro: `bench_${run}`, json: `bench_json_${run}` };
  say(`putting ${events} events into two topics …`);
  const schemaId = await filled(endpoints, topics, events, true);
  const rounds: Rounds = { json: [], avro: [], aggregator: [], naive: [] };
  for (let round = 1; round <= Number(args.rounds); round++) {
    for (const kind of ['json', 'avro', 'aggregator', 'naive'] as const) {
      const figures = await runContender(endpoints, {
        kind,
        topic: kind === 'json' ? topics.json : topics.avro,
        events: kind === 'naive' ? Math.min(events, Number(args['naive-events'])) : events,
        schemaId,
        name: `bench_${run}_${kind}_${round}`,
      });
      rounds[kind].push(figures);
      say(`round ${round} ${kind.padEnd(10)} ${Math.round(figures.eventsPerSecond)} events/s`);
    }
  }
  return rounds;
}

async function backlogMemory(endpoints: Endpoints): Promise<Figures> {
  const events = Number(args['backlog-events']);
  const topics = { avro: `backlog_${run}`, json: '' };
  say(`putting a backlog of ${events} events into a topic …`);
  const schemaId = await filled(endpoints, topics, events, false);
  return runContender(endpoints, {
    kind: 'aggregator',
    topic: topics.avro,
    events,
    schemaId,
    name: `bench_${run}_backlog`,
  });
}

async function filled(
  endpoints: Endpoints,
  topics: { avro: string; json: string },
  events: number,
  json: boolean,
): Promise<number> {
  const kafka = createKafka({
    brokers: [endpoints.kafka],
    clientId: 'bench',
    logger: createLogger('bench', 'error'),
  });
  await fillTopics(kafka, endpoints.schemaRegistry, topics, {
    events,
    partitions: PARTITIONS,
    start: Date.now() - HOUR_MS,
    json,
  });
  return registerEventSchema(
    createRegistry(endpoints.schemaRegistry),
    topics.avro,
    AbortSignal.timeout(30_000),
  );
}

interface Report {
  readonly lines: readonly string[];
  readonly figures: unknown;
}

function summarize(rounds: Rounds, backlog: Figures, latency: Latency): Report {
  const speed = (kind: Kind): number[] => rounds[kind].map((figures) => figures.eventsPerSecond);
  const over = (kind: Kind): Spread => spreadOf(ratios(speed('aggregator'), speed(kind)));
  const postgres = rounds.aggregator.flatMap((figures) => figures.postgresCpuUs ?? []);
  const figures = {
    machine: { cores: cpus().length, model: cpus()[0]?.model },
    rounds: Number(args.rounds),
    events: Number(args.events),
    ratios: { 'c/a': over('json'), 'c/b': over('avro'), 'c/d': over('naive') },
    eventsPerSecond: Object.fromEntries(
      (['json', 'avro', 'aggregator', 'naive'] as const).map((kind) => [kind, spreadOf(speed(kind))]),
    ),
    postgresCpuUsPerEvent: postgres.length > 0 ? spreadOf(postgres) : null,
    backlog: {
      events: Number(args['backlog-events']),
      maxRssMib: backlog.maxRssMib,
      eventsPerSecond: backlog.eventsPerSecond,
    },
    latencyMs: latency,
  };
  const perSecond = (kind: Kind): string => showSpread(spreadOf(speed(kind)), 0);
  const lines = [
    '',
    `median (lowest to highest) of ${args.rounds} rounds in turn, ${args.events} events each, ${PARTITIONS} partitions, ${cpus().length} cores`,
    '',
    `c ÷ a   our aggregator ÷ JSON.parse only        ${showSpread(over('json'), 2)}`,
    `c ÷ b   our aggregator ÷ Avro decode only       ${showSpread(over('avro'), 2)}`,
    `c ÷ d   our aggregator ÷ one upsert an event    ${showSpread(over('naive'), 1)}`,
    '',
    `events/s            a ${perSecond('json')} · b ${perSecond('avro')}`,
    `                    c ${perSecond('aggregator')} · d ${perSecond('naive')}`,
    `Postgres CPU        ${figures.postgresCpuUsPerEvent === null ? 'not known here' : `${showSpread(figures.postgresCpuUsPerEvent, 1)} µs an event`}`,
    `event → snapshot    p50 ${latency.p50.toFixed(0)} ms, p99 ${latency.p99.toFixed(0)} ms at ${latency.eventsPerSecond} events/s (${latency.probes} probes)`,
    `backlog             ${args['backlog-events']} events: at most ${backlog.maxRssMib.toFixed(0)} MiB resident (bound 512), ${Math.round(backlog.eventsPerSecond)} events/s`,
  ];
  return { lines, figures };
}
