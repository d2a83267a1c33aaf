/**
 * `npm run bench:decide`: what a decision costs, against what one would ask instead, in turns on one
 * machine.
 *
 *   decide()   in memory, at 1,000, 20,000 and 200,000 tenants with 5 metrics each
 *   redis      our limiter on a Redis on loopback (REDIS_URL), one token bucket
 *   flexible   rate-limiter-flexible in memory
 *   cedar      one policy of cedar-wasm
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createCedarEngine } from '@meterhouse/policy/cedar';
import { decide } from '@meterhouse/quota';
import { createRateLimiter, openRedisStore, type RateRule } from '@meterhouse/rate-limit';
import { waitFor } from '@meterhouse/runtime';
import { RateLimiterMemory } from 'rate-limiter-flexible';
import { quantile, ratios, showSpread, spreadOf } from '../statistics.ts';
import { benchWorld, type BenchWorld } from './world.ts';

const { values: args } = parseArgs({
  options: {
    json: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    tenants: { type: 'string', default: '1000,20000,200000' },
  },
});
const ROUNDS = Number(args.rounds);
const SAMPLES = { memory: 100_000, redis: 5_000 };
const WARM_UP = 20_000;
const REDIS_URL = process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379';
const RULE: RateRule = {
  id: 'bench',
  algorithm: 'token_bucket',
  limit: 1_000_000_000,
  burst: 1_000_000,
  periodMs: 60_000,
  whenUnavailable: 'deny',
  localSharePpm: 0,
};

interface Quantiles {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

const say = (line: string): void => void process.stdout.write(`${line}\n`);
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function summarize(micros: readonly number[]): Quantiles {
  return { p50: quantile(micros, 0.5), p99: quantile(micros, 0.99), p999: quantile(micros, 0.999) };
}

function timeDecisions({ facts, requests }: BenchWorld, samples: number): Quantiles {
  const micros: number[] = [];
  for (let i = 0; i < samples; i++) {
    const request = requests[i % requests.length];
    if (request === undefined) throw new Error('no requests');
    const start = performance.now();
    const { outcome } = decide(request, facts);
    micros.push((performance.now() - start) * 1_000);
    if (outcome !== 'allow') throw new Error(`decide() said ${outcome}`);
  }
  return summarize(micros);
}

async function timeCalls(samples: number, call: (i: number) => unknown): Promise<Quantiles> {
  const micros: number[] = [];
  for (let i = 0; i < samples; i++) {
    const start = performance.now();
    await call(i);
    micros.push((performance.now() - start) * 1_000);
  }
  return summarize(micros);
}

const worlds = args.tenants.split(',').map((text) => {
  const tenants = Number(text);
  const world = benchWorld(tenants, collectGarbage);
  say(`${tenants.toLocaleString('en')} tenants: ${Math.round(world.bytesPerKey)} bytes a tenant and metric`);
  return { tenants, world };
});
const limiter = createRateLimiter({
  // What is timed before keeps this thread from hearing of Redis for a while.
  store: openRedisStore({ url: REDIS_URL, silenceMs: 120_000 }),
  keyPrefix: `bench-${process.pid}:`,
  guard: { deadlineMs: 5_000 },
});
const flexible = new RateLimiterMemory({ points: 1_000_000_000, duration: 60 });
const cedar = createCedarEngine({
  policies: '@id("members") permit(principal, action, resource);',
  version: '1',
  deadlineMs: 1_000,
});
const question = {
  actor: { type: 'user', id: 'ann', roles: ['member'], scopes: [] },
  lineage: ['org', 'dept', 'project'],
  product: 'ai',
  resourceType: 'model',
  action: 'call',
  attributes: {},
};
const charges = [{ tenantId: 'org', route: '*', rule: RULE, cost: 1 }];

async function chargeRedis(): Promise<void> {
  const answer = await limiter.charge(charges, { rootId: 'org' });
  if (answer.decidedBy !== 'redis' || answer.outcome !== 'admitted')
    throw new Error(`the limiter on ${REDIS_URL} said ${answer.outcome} by ${answer.decidedBy}`);
}

function askCedar(): void {
  if (cedar.evaluate(question).outcome !== 'allow') throw new Error('Cedar did not allow');
}

type Round = Record<string, Quantiles>;
const rounds: Round[] = [];
try {
  for (const { world } of worlds) timeDecisions(world, WARM_UP);
  await untilRedisAnswers();
  await timeCalls(1_000, chargeRedis);
  await timeCalls(1_000, () => flexible.consume('org'));
  await timeCalls(1_000, askCedar);
  for (let i = 0; i < ROUNDS; i++) {
    const round: Round = {};
    for (const { tenants, world } of worlds) {
      collectGarbage();
      round[`decide ${tenants.toLocaleString('en')}`] = timeDecisions(world, SAMPLES.memory);
    }
    await untilRedisAnswers();
    round['redis'] = await timeCalls(SAMPLES.redis, chargeRedis);
    round['flexible'] = await timeCalls(SAMPLES.memory, () => flexible.consume('org'));
    round['cedar'] = await timeCalls(SAMPLES.redis, askCedar);
    rounds.push(round);
  }
  report();
  if (args.json !== undefined)
    await writeFile(
      args.json,
      `${JSON.stringify({ bytesPerKey: worlds.map(({ tenants, world }) => ({ tenants, bytes: world.bytesPerKey })), rounds }, null, 2)}\n`,
    );
} finally {
  cedar.close();
  await limiter.close();
}

/** The connection is made in the background; until then the limiter says that it is away. */
async function untilRedisAnswers(): Promise<void> {
  const answers = async (): Promise<true | undefined> =>
    (await limiter.charge(charges, { rootId: 'org' })).decidedBy === 'redis' ? true : undefined;
  await waitFor(`Redis on ${REDIS_URL} (REDIS_URL)`, answers, { deadlineMs: 10_000 });
}

function report(): void {
  const names = Object.keys(rounds[0] ?? {});
  const of = (name: string, which: keyof Quantiles): number[] =>
    rounds.map((round) => round[name]?.[which] ?? Number.NaN);
  say('\nmicroseconds, median of the rounds (least to most)');
  for (const name of names)
    say(
      `  ${name.padEnd(16)} p50 ${showSpread(spreadOf(of(name, 'p50')), 2)}   p99 ${showSpread(spreadOf(of(name, 'p99')), 2)}   p99.9 ${showSpread(spreadOf(of(name, 'p999')), 2)}`,
    );
  say('\np99, as a ratio to that of decide() in the same round');
  for (const name of names.filter((each) => each.startsWith('decide')))
    for (const other of ['redis', 'flexible', 'cedar'])
      say(`  ${other} ÷ ${name}: ${showSpread(spreadOf(ratios(of(other, 'p99'), of(name, 'p99'))), 1)}`);
}
