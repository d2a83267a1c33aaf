/** The events of the direct counting test, each by its number, the same in every process. */
import type { UsageEventInput } from '@meterhouse/producer';

export const EVENTS = 1_200;
export const TENANTS = ['t0', 't1', 't2'] as const;

export const REGISTRY = `
tenants:
  - { id: org, name: Org }
${TENANTS.map((id) => `  - { id: ${id}, name: ${id}, parent: org }`).join('\n')}
metrics:
  - { name: shared, unit: call, aggregation: sum, scale: 9, family: compute }
  - { name: single, unit: call, aggregation: sum, scale: 9, family: compute, groupBy: [n] }
  - { name: whole, unit: call, aggregation: sum, scale: 0, family: compute }
`;

/** `single` has a bucket for each event, `shared` one for each tenant; the others go to quarantine. */
export type Kind = 'single' | 'shared' | 'unknown_tenant' | 'invalid_value';

export function kindOf(n: number): Kind {
  if (n % 50 === 49) return 'unknown_tenant';
  if (n % 50 === 24) return 'invalid_value';
  return n % 2 === 0 ? 'single' : 'shared';
}

export function tenantOf(n: number): string {
  return kindOf(n) === 'unknown_tenant' ? 'nobody' : (TENANTS[n % TENANTS.length] ?? '');
}

/** In billionths. */
export function amountOf(n: number): bigint {
  return BigInt(n) * 1_000_000_000n + 1n;
}

/** @param ts epoch ms, the same for all */
export function eventOf(n: number, ts: number): UsageEventInput {
  const kind = kindOf(n);
  return {
    id: `event-${n}`,
    tenantId: tenantOf(n),
    metric: kind === 'invalid_value' ? 'whole' : kind === 'single' ? 'single' : 'shared',
    value: `${n}.000000001`,
    ts,
    attrs: { n: `${n}` },
  };
}
