/**
 * Eight processes share a limit, and ask for ten times as much, against a real Redis:
 *
 * - what Redis admits is never above the limit, and all of it can be had: exactly the limit for the sliding
 *   window, the burst and what was refilled meanwhile for the token bucket
 * - with Redis frozen in the middle, each process admits at most its local share on top, and when Redis is
 *   back its count goes on where it was. What is lost to a call that was given up is a refusal, never more
 *
 * No phase is timed: each ends when all processes have had their answers.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { waitFor } from '@meterhouse/runtime';
import { createClient } from '@redis/client';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { BurstOrder, BurstReport, BurstSetting } from './burst-process.testing.ts';
import { createRateLimiter, openRedisStore, type RateRule } from './index.ts';
import { NO_REDIS_SERVER, startRedisServer } from './redis-server.testing.ts';

const PROCESSES = 8;
const LIMIT = 400;
const TIMES_EACH = (LIMIT * 10) / PROCESSES;
const PERIOD_MS = 600_000;
const LOCAL_SHARE_PPM = 50_000;
const LOCAL_LIMIT = (LIMIT * LOCAL_SHARE_PPM) / 1_000_000;
const script = fileURLToPath(new URL('burst-process.testing.ts', import.meta.url));

const common = {
  id: 'burst',
  limit: LIMIT,
  periodMs: PERIOD_MS,
  whenUnavailable: 'local',
  localSharePpm: LOCAL_SHARE_PPM,
} as const;
const RULES: readonly RateRule[] = [
  { ...common, algorithm: 'token_bucket', burst: LIMIT },
  { ...common, algorithm: 'sliding_window' },
];

const redis = await startRedisServer();
const processes: BurstProcess[] = [];

class BurstProcess {
  readonly #child: ChildProcess;

  constructor() {
    this.#child = fork(script, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  }

  order(order: BurstOrder): Promise<BurstReport> {
    const { promise, resolve, reject } = Promise.withResolvers<BurstReport>();
    const ended = (): void => reject(new Error(`a process ended instead of doing ${order.order}`));
    this.#child.once('exit', ended);
    this.#child.once('message', (report: BurstReport) => {
      this.#child.off('exit', ended);
      resolve(report);
    });
    this.#child.send(order);
    return promise;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

beforeAll(() => {
  if (redis !== null) for (let i = 0; i < PROCESSES; i++) processes.push(new BurstProcess());
});

afterEach(() => redis?.thaw());

afterAll(async () => {
  for (const process of processes) process.kill();
  await redis?.kill();
});

function orderAll(order: BurstOrder): Promise<BurstReport[]> {
  return Promise.all(processes.map((process) => process.order(order)));
}

/** Takes what the processes have left, and says how much that was. */
async function drain({ url, keyPrefix, rule }: BurstSetting): Promise<number> {
  const limiter = createRateLimiter({
    store: openRedisStore({ url }),
    keyPrefix,
    guard: { deadlineMs: 30_000 },
  });
  const charges = [{ tenantId: 'acme', route: '/burst', rule, cost: 1 }];
  let taken = 0;
  await waitFor(
    'the refusal of Redis',
    async () => {
      let answer = await limiter.charge(charges, { rootId: 'acme' });
      while (answer.decidedBy === 'redis' && answer.outcome === 'admitted') {
        taken++;
        answer = await limiter.charge(charges, { rootId: 'acme' });
      }
      return answer.decidedBy === 'redis' ? answer : undefined;
    },
    { deadlineMs: 30_000 },
  );
  await limiter.close();
  return taken;
}

async function redisNowMs(url: string): Promise<number> {
  const client = await createClient({ url }).connect();
  const [seconds = '0', micros = '0'] = (await client.sendCommand(['TIME'])) as unknown as string[];
  client.destroy();
  return Number(seconds) * 1000 + Number(micros) / 1000;
}

function total(reports: readonly BurstReport[], count: keyof BurstReport): number {
  return reports.reduce((sum, report) => sum + report[count], 0);
}

/** The most that a rule lets through in this time, and the millisecond that cutting off its ends can hide. */
function bound(rule: RateRule, limit: number, elapsedMs: number): number {
  const refilled = Math.floor((limit * (elapsedMs + 1)) / PERIOD_MS);
  return rule.algorithm === 'sliding_window' ? limit : limit + refilled;
}

describe.skipIf(redis === null)(`a burst of eight processes ${redis === null ? NO_REDIS_SERVER : ''}`, () => {
  const connect = async (rule: RateRule, deadlineMs: number): Promise<BurstSetting> => {
    const setting = { url: redis?.url ?? '', keyPrefix: `test:${randomUUID()}:`, rule, deadlineMs };
    await orderAll({ order: 'connect', setting });
    return setting;
  };

  test.each(RULES)('$algorithm: the limit, no more and no less', async (rule) => {
    const setting = await connect(rule, 30_000);
    const startMs = await redisNowMs(setting.url);
    const reports = await orderAll({ order: 'charge', times: TIMES_EACH });
    const admitted = total(reports, 'redisAdmitted') + (await drain(setting));
    const elapsedMs = (await redisNowMs(setting.url)) - startMs;
    expect(admitted).toBeLessThanOrEqual(bound(rule, LIMIT, elapsedMs));
    expect(admitted).toBeGreaterThanOrEqual(LIMIT);
    expect(total(reports, 'redisAdmitted') + total(reports, 'redisLimited')).toBe(LIMIT * 10);
  });

  test.each(RULES)('$algorithm: Redis frozen in the middle', async (rule) => {
    const setting = await connect(rule, 250);
    const startMs = await redisNowMs(setting.url);
    await orderAll({ order: 'charge', times: LIMIT / 2 / PROCESSES });
    redis?.freeze();
    const frozen = await orderAll({ order: 'charge', times: TIMES_EACH });
    redis?.thaw();
    await orderAll({ order: 'reach_redis' });
    const reports = await orderAll({ order: 'charge', times: TIMES_EACH });
    const byRedis = total(reports, 'redisAdmitted') + (await drain(setting));
    const elapsedMs = (await redisNowMs(setting.url)) - startMs;

    expect(byRedis).toBeLessThanOrEqual(bound(rule, LIMIT, elapsedMs));
    expect(byRedis).toBeGreaterThanOrEqual(LIMIT - total(reports, 'gaveUp'));
    for (const { localAdmitted, localLimited } of frozen) {
      expect(localAdmitted).toBeGreaterThanOrEqual(LOCAL_LIMIT);
      expect(localLimited).toBeGreaterThan(0);
    }
    for (const { localAdmitted, localForMs } of reports)
      expect(localAdmitted).toBeLessThanOrEqual(bound(rule, LOCAL_LIMIT, localForMs));
    expect(total(reports, 'unavailable')).toBe(0);
  });
});
