/**
 * Guarantees of the API's readiness:
 * - a part that requests cannot do without fails it; another is said, and does not
 * - Kafka and Redis are asked by a real question, and their absence and return are noticed
 */
import { sharedStack } from '@meterhouse/dev-stack/testing';
import { createLogger, ignore, Releases, waitFor } from '@meterhouse/runtime';
import { Metrics } from '@meterhouse/runtime/metrics';
import { Health } from '@meterhouse/runtime/service';
import { expect, onTestFinished, test } from 'vitest';
import { openKeyLimits } from '../key-limits.ts';
import { openBrokerAsker } from './broker-asker.ts';
import { watchParts, type WatchedPart } from './parts.ts';

const logger = createLogger('api-test', 'silent');

function watched(parts: Readonly<Record<string, WatchedPart>>): Health {
  const health = new Health();
  const watch = watchParts(parts, { metrics: new Metrics(), health, logger });
  onTestFinished(() => watch.stop());
  return health;
}

const whyNot = (health: Health, name: string): string | null | undefined =>
  health.readiness().parts.find(({ part }) => part === name)?.reason;

test('a part that is not required is said, and does not fail readiness', async () => {
  let broken = false;
  const ask = (): Promise<void> => (broken ? Promise.reject(new Error('away')) : Promise.resolve());
  const health = watched({
    needed: { ask: () => Promise.resolve(), required: true },
    other: { ask, required: false },
  });
  await waitFor('both to answer', () => (whyNot(health, 'other') === null ? true : undefined), {
    deadlineMs: 10_000,
  });
  broken = true;
  await waitFor('the other to be missed', () => whyNot(health, 'other') ?? undefined, { deadlineMs: 10_000 });
  expect(health.readiness().ready).toBe(true);
  const needing = watched({ needed: { ask, required: true } });
  await waitFor('the needed to be missed', () => whyNot(needing, 'needed') ?? undefined, {
    deadlineMs: 10_000,
  });
  expect(needing.readiness().ready).toBe(false);
});

test('Kafka answers where it is, and rejects where nobody listens', async () => {
  const { kafka } = await sharedStack();
  const there = openBrokerAsker({ brokers: [kafka], clientId: 'test', logger });
  const nowhere = openBrokerAsker({ brokers: ['127.0.0.1:9'], clientId: 'test', logger });
  onTestFinished(async () => {
    await Promise.all([there.close(), nowhere.close()]);
  });
  await expect(there.ask()).resolves.toBeUndefined();
  await expect(nowhere.ask()).rejects.toThrow('connect');
});

test('Redis that nobody serves is missed, and keys are still counted', async () => {
  const releases = new Releases();
  const metrics = new Metrics();
  onTestFinished(() => releases.releaseAll());
  const limits = openKeyLimits(
    { REDIS_URL: 'redis://127.0.0.1:9', API_KEY_REQUESTS_PER_SECOND: 100 },
    { logger, metrics, releases },
  );
  const { askRedis } = limits;
  if (askRedis === null) throw new Error('Redis is configured');
  await expect(askRedis()).rejects.toThrow('by each process for itself');
  // Enough failures open the circuit, which the metrics show.
  await waitFor(
    'the circuit to open',
    async () => {
      await askRedis().catch(ignore);
      return (await metrics.text()).includes('api_key_limiter_store_away 1') ? true : undefined;
    },
    { deadlineMs: 20_000 },
  );
  expect(await metrics.text()).toMatch(
    /api_key_limiter_answers_total\{decided_by="local_fallback",outcome="admitted"\} \d+/,
  );
});

test('without Redis there is nothing to ask', () => {
  const releases = new Releases();
  onTestFinished(() => releases.releaseAll());
  const limits = openKeyLimits(
    { API_KEY_REQUESTS_PER_SECOND: 100 },
    { logger, metrics: new Metrics(), releases },
  );
  expect(limits.askRedis).toBeNull();
});
