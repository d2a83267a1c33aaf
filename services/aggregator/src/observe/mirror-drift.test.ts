/**
 * Guarantees of the comparison's age:
 * - a comparison that could never be made grows old from its first attempt: drift that would go unseen is seen to be
 * - a worker that does not mirror says nothing of it
 */
import { createClickHouse } from '@meterhouse/clickhouse';
import { createPool } from '@meterhouse/postgres';
import { createLogger } from '@meterhouse/runtime';
import { Metrics } from '@meterhouse/runtime/metrics';
import { expect, onTestFinished, test } from 'vitest';
import { MirrorDrift } from './mirror-drift.ts';

test('a comparison that could never be made grows old from its first attempt', async () => {
  // Nobody listens at either.
  const pool = createPool({ url: 'postgresql://127.0.0.1:9/none', applicationName: 'test', max: 1 });
  const clickhouse = createClickHouse('http://127.0.0.1:9', 'none');
  onTestFinished(async () => {
    await Promise.all([pool.end(), clickhouse.close()]);
  });
  let now = 1_000_000;
  const drift = new MirrorDrift({ pool, clickhouse, logger: createLogger('test', 'silent'), now: () => now });
  const metrics = new Metrics();
  drift.exportTo(metrics);
  const age = async (): Promise<string | undefined> =>
    /^usage_mirror_comparison_age_seconds (.+)$/m.exec(await metrics.text())?.[1];

  expect(await age()).toBeUndefined();
  const { signal } = new AbortController();
  await expect(drift.compare(signal)).rejects.toThrow();
  now += 60_000;
  await expect(drift.compare(signal)).rejects.toThrow();
  now += 30_000;
  expect(await age()).toBe('90');
  drift.forget();
  expect(await age()).toBeUndefined();
});
