/** One Postgres and nothing else: the meter counts there, reads there, and decides by what it has counted. */
import { createMeter, type MeterConfiguration } from '@meterhouse/producer';
import { onTestFinished } from 'vitest';
import { usageBed } from '@meterhouse/postgres/usage-testing';
import type { MakeBed } from './bed.ts';
import { countedIn } from './counted-in.ts';
import { REGISTRY, USED_BY_T3 } from './registry.ts';

export const postgres: MakeBed = async () => {
  const bed = await usageBed(onTestFinished);
  await bed.register(
    Object.entries(REGISTRY).flatMap(([kind, bodies]) => bodies.map((body) => ({ kind, body }))),
  );
  const configuration = {
    adapter: 'postgres',
    postgres: { url: bed.url },
    usage: { maxAgeMs: 1 },
  } satisfies Omit<MeterConfiguration, 'source'>;
  const earlier = createMeter({ source: 'earlier', ...configuration });
  await earlier.record({ tenantId: 't3', metric: 'tokens', value: USED_BY_T3 });
  await earlier.close();
  return {
    configuration,
    can: { count: true, readUsage: 'exact', check: 'decides' },
    before: { 't3 tokens': USED_BY_T3 },
    settled: () => Promise.resolve(),
    counted: () => countedIn(bed.owner),
  };
};
