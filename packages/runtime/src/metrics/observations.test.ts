/**
 * Guarantees:
 * - One observation that fails or hangs is counted, its age grows, and the others go on.
 * - An attempt that hangs is the only one of its kind under way.
 * - Stopping ends it all, and waits for nobody who never answers.
 */
import { expect, onTestFinished, test } from 'vitest';
import { createLogger } from '../logger.ts';
import { waitFor } from '../waiting.ts';
import { Metrics } from './metrics.ts';
import { observe, type Observation } from './observations.ts';

const DEADLINE = { deadlineMs: 10_000, everyMs: 5 };

function observed(observations: readonly Observation[]) {
  const metrics = new Metrics();
  const clock = { now: 0 };
  const running = observe(observations, {
    metrics,
    logger: createLogger('test', 'silent'),
    now: () => clock.now,
  });
  onTestFinished(() => running.stop());
  const valueOf = async (name: string, observation: string): Promise<number> => {
    const found = new RegExp(`^${name}{observation="${observation}"} (.*)$`, 'm').exec(await metrics.text());
    return Number(found?.[1]);
  };
  return { clock, running, valueOf };
}

test('a failing observation is counted and grows old, the other stays fresh, and it heals', async () => {
  let isAway = false;
  let looks = 0;
  const { clock, valueOf } = observed([
    {
      name: 'store',
      everyMs: 1,
      timeoutMs: 60_000,
      look: () => (isAway ? Promise.reject(new Error('away')) : Promise.resolve()),
    },
    {
      name: 'fresh',
      everyMs: 1,
      timeoutMs: 60_000,
      look: () => {
        looks += 1;
        return Promise.resolve();
      },
    },
  ]);
  isAway = true;
  const failed = async (): Promise<number> => valueOf('meterhouse_observation_failures_total', 'store');
  await waitFor('failures', async () => ((await failed()) > 1 ? true : undefined), DEADLINE);
  clock.now = 9_000;
  const before = looks;
  await waitFor('the other to look again', () => (looks > before + 1 ? true : undefined), DEADLINE);
  expect(await valueOf('meterhouse_observation_age_seconds', 'store')).toBe(9);
  expect(await valueOf('meterhouse_observation_age_seconds', 'fresh')).toBe(0);
  isAway = false;
  const healed = async (): Promise<true | undefined> =>
    (await valueOf('meterhouse_observation_age_seconds', 'store')) === 0 ? true : undefined;
  await waitFor('it to be seen again', healed, DEADLINE);
});

test('an observation that hangs is counted, tried no second time meanwhile, and ends with the stop', async () => {
  let underWay = 0;
  const { running, valueOf } = observed([
    {
      name: 'hangs',
      everyMs: 1,
      timeoutMs: 5,
      look: (signal) => {
        underWay += 1;
        return new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            reject(new Error('aborted'));
          });
        });
      },
    },
  ]);
  const counted = async (): Promise<true | undefined> =>
    (await valueOf('meterhouse_observation_failures_total', 'hangs')) === 1 ? true : undefined;
  await waitFor('the timeout to be counted', counted, DEADLINE);
  expect(underWay).toBe(1);
  await running.stop();
});

test('an observation that never answers does not hold up the stop', async () => {
  const never = (): Promise<void> => new Promise(() => undefined);
  const { running } = observed([{ name: 'frozen', everyMs: 1, timeoutMs: 60_000, look: never }]);
  await running.stop();
});
