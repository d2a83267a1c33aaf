/**
 * The demonstration's day of usage:
 * - the same plan gives the same sendings, to the last byte, and another seed or day gives other ids
 * - it has exactly as many sendings as asked for, in the order in which they are sent
 * - what it says of itself is right: an oracle that checks every event against the registry and
 *   counts distinct ones comes to the same totals per metric and the same refusals per reason
 * - every event stays countable for days after, so that a day sent again ends in the same totals
 * - the registry that it needs is the checked-in one, and every tenant and metric of it is used
 */
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { describe, expect, it } from 'vitest';
import {
  checkEvent,
  contentDigest,
  DAY_MS,
  DEFAULT_WINDOW,
  type Metric,
  type QuarantineReason,
  type Registry,
  type Tenant,
  type UsageEvent,
} from '@meterhouse/usage';
import { DayTotals, type MetricTotal } from './day-totals.ts';
import { MISFIT_FATES } from './misfits.ts';
import { usageDay, type DayPlan } from './usage-day.ts';

const through = Date.UTC(2026, 10, 22, 18, 25);
const plans: readonly DayPlan[] = [
  { seed: 1, events: 60_000, through },
  { seed: 2, events: 3_000, through },
  { seed: 3, events: 777, through: through + 12_345 },
];

const registry = readRegistry();

describe.each(plans)('a day of $events events, seed $seed', (plan) => {
  const sendings = [...usageDay(plan)];

  it('is the same each time', () => {
    expect([...usageDay(plan)]).toEqual(sendings);
  });

  it('has as many sendings as asked for, in order', () => {
    expect(sendings).toHaveLength(plan.events);
    const times = sendings.map((sending) => sending.sentAt);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(times.at(0)).toBeGreaterThanOrEqual(plan.through - DAY_MS);
    expect(times.at(-1)).toBeLessThanOrEqual(plan.through);
  });

  it.each([0, 3 * DAY_MS])('comes to its own totals when received %d ms after its end', (laterMs) => {
    const totals = new DayTotals();
    for (const sending of sendings) totals.add(sending);
    const oracle = judge(
      sendings.map(({ event }) => event),
      plan.through + laterMs,
    );
    expect(totals.countedByMetric).toEqual(oracle.counted);
    expect(totals.byMetric).toEqual(oracle.all);
    expect(totals.quarantinedByReason).toEqual(oracle.refused);
    expect(totals.repeated).toBe(oracle.repeated);
    expect(new Set(oracle.refused.keys())).toEqual(new Set(MISFIT_FATES));
  });

  it('has repetitions, late and out-of-order events', () => {
    const counted = sendings.filter(({ fate }) => fate === 'counted');
    const late = counted.filter(({ event, sentAt }) => sentAt - event.ts > 3_600_000);
    expect(late.length).toBeGreaterThan(counted.length / 200);
    expect(Math.max(...late.map(({ event }) => plan.through - event.ts))).toBeLessThan(31 * DAY_MS);
    expect(sendings.filter(({ fate }) => fate === 'repeated').length).toBeGreaterThan(plan.events / 100);
    const steps = counted.filter(({ event }, i) => event.ts < (counted[i - 1]?.event.ts ?? 0));
    expect(steps.length).toBeGreaterThan(counted.length / 100);
  });
});

it('uses every tenant that has work of its own, and every metric', () => {
  const counted = [...usageDay({ seed: 1, events: 20_000, through })].filter(
    ({ fate }) => fate === 'counted',
  );
  expect(new Set(counted.map(({ event }) => event.tenantId))).toEqual(new Set(registry.tenants.keys()));
  expect(new Set(counted.map(({ event }) => event.metric))).toEqual(new Set(registry.metrics.keys()));
});

it('is busy by day and quiet by night', () => {
  const hours = new Map<number, number>();
  for (const { sentAt } of usageDay({ seed: 1, events: 20_000, through })) {
    const hour = new Date(sentAt).getUTCHours();
    hours.set(hour, (hours.get(hour) ?? 0) + 1);
  }
  expect(hours.get(11) ?? 0).toBeGreaterThan(2 * (hours.get(1) ?? 0));
});

it('shares no id with another seed or another day', () => {
  const ids = (plan: DayPlan): string[] => [...usageDay(plan)].map(({ event }) => event.id);
  const first = new Set(ids({ seed: 1, events: 2_000, through }));
  expect(ids({ seed: 2, events: 2_000, through }).filter((id) => first.has(id))).toEqual([]);
  expect(ids({ seed: 1, events: 2_000, through: through + 1 }).filter((id) => first.has(id))).toEqual([]);
});

interface Judgement {
  readonly counted: Map<string, MetricTotal>;
  readonly all: Map<string, MetricTotal>;
  readonly refused: Map<QuarantineReason, number>;
  readonly repeated: number;
}

/** The whole system's rules in one loop over one map. */
function judge(
  events: readonly Omit<UsageEvent, 'source' | 'correlationId' | 'attribution'>[],
  receivedAt: number,
): Judgement {
  const countedContent = new Map<string, bigint>();
  const seen = new Set<string>();
  const judgement = {
    counted: new Map<string, MetricTotal>(),
    all: new Map<string, MetricTotal>(),
    refused: new Map<QuarantineReason, number>(),
  };
  let repeated = 0;
  for (const given of events) {
    const event: UsageEvent = { ...given, source: 'test', correlationId: null, attribution: null };
    const outcome = checkEvent(event, registry, DEFAULT_WINDOW, receivedAt);
    const id = `${event.tenantId}\0${event.id}`;
    const content = contentDigest(event, 'reason' in outcome ? null : outcome.value);
    if (seen.has(`${id}\0${content}`)) {
      repeated += 1;
      continue;
    }
    seen.add(`${id}\0${content}`);
    add(judgement.all, event);
    const reason = 'reason' in outcome ? outcome.reason : countedContent.has(id) ? 'id_conflict' : null;
    if (reason !== null) judgement.refused.set(reason, (judgement.refused.get(reason) ?? 0) + 1);
    else {
      countedContent.set(id, content);
      add(judgement.counted, event);
    }
  }
  return { ...judgement, repeated };
}

/** Decimals of at most nine places, added without the code under test. */
function add(totals: Map<string, MetricTotal>, event: { metric: string; value: string }): void {
  const [whole = '0', fraction = ''] = event.value.split('.');
  const value = BigInt(whole + fraction.padEnd(9, '0'));
  const before = totals.get(event.metric) ?? { events: 0n, sum: 0n };
  totals.set(event.metric, { events: before.events + 1n, sum: before.sum + value });
}

function readRegistry(): Registry {
  const text = readFileSync(new URL('../demo-registry.yaml', import.meta.url), 'utf8');
  const { tenants, metrics } = parse(text) as {
    tenants: { id: string; name: string; parent?: string }[];
    metrics: (Omit<Metric, 'groupBy'> & { groupBy?: string[] })[];
  };
  const tenant = ({ id, name, parent }: { id: string; name: string; parent?: string }): Tenant => ({
    id,
    name,
    parent: parent ?? null,
  });
  return {
    version: 1n,
    tenants: new Map(tenants.map((each, number) => [each.id, { ...tenant(each), number }])),
    metrics: new Map(metrics.map((each) => [each.name, { ...each, groupBy: each.groupBy ?? [] }])),
  };
}
