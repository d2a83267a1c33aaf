/** Random trees, plans, overrides, snapshots and clocks, small enough that everything meets everything. */
import { DAY_MS, HOUR_MS } from '@meterhouse/usage';
import type { Span } from '@meterhouse/usage/calendar';
import { periodsOf } from '../registry/billing.ts';
import type { PolicyVerdict } from '../policy-port.ts';
import {
  QUOTA_PERIODS,
  type DocumentKind,
  type DocumentOf,
  type QuotaPeriod,
} from '../registry/documents.ts';
import { placeOf } from '../registry/lineage.ts';
import { PolicySet } from '../registry/policy-set.ts';
import { keyOf, SnapshotTable } from '../snapshot-table.ts';
import type { CapacityFact, Facts, PlacesFact, RateFact, StrictFact } from './decide.ts';
import { Policies } from './policies.ts';
import type { DecisionRequest } from './request.ts';

/** mulberry32: the same seed gives the same world. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  below(n: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % n;
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
}

export const ONE = 1_000_000_000n;
/** Forty minutes past: no period turns within any age that is tried. */
export const TRUE_NOW = Date.UTC(2026, 4, 14, 10, 40);
const MONOTONIC = 10_000_000;
const METRICS = ['m1', 'm2'] as const;
export const PERIODS = QUOTA_PERIODS;
const ZONES = ['UTC', 'Europe/Berlin', 'America/New_York', 'Pacific/Auckland'] as const;
/** How long before now usage that may be of a past period was counted. */
const AGO = [3 * HOUR_MS, 13 * HOUR_MS, 2 * DAY_MS, 20 * DAY_MS, 40 * DAY_MS];

export type Documents = { [K in DocumentKind]: DocumentOf<K>[] };

export interface World {
  readonly documents: Documents;
  /** Usage by key of the snapshots; a total that is missing was not published. */
  readonly used: Map<string, bigint>;
  /** When that was, where it was not now: it counts only in the period of then. */
  readonly usedAt: Map<string, number>;
  /** True age of the snapshots in ms; null: nothing was ever heard. */
  readonly snapshotAgeMs: number | null;
  readonly pending: Map<string, bigint>;
}

export function randomWorld(dice: Dice): World {
  const ids = ['t0', 't1', 't2', 't3', 't4'].slice(0, 1 + dice.below(5));
  const plans = ['p0', 'p1'].map((id) => plan(id, dice));
  const documents: Documents = {
    tenant: randomTree(ids, dice),
    metric: METRICS.map((name) => ({
      name,
      unit: 'unit',
      aggregation: 'sum' as const,
      scale: 0,
      family: 'compute',
      groupBy: [],
    })),
    product: [
      {
        id: 'ai',
        name: 'AI',
        dimensions: [{ metric: 'm1', unit: 'unit' }],
        actions: [
          {
            resourceType: 'job',
            action: 'launch',
            launchSensitive: true,
            pool: dice.chance(50) ? 'gpu' : null,
          },
          { resourceType: 'job', action: 'read', launchSensitive: false, pool: null },
        ],
      },
    ],
    plan: plans,
    pool: [{ id: 'gpu', unit: 'gpu', size: 4 }],
    access_rule: [],
    delegation: some(dice, 2, (index) => ({
      id: `d${index}`,
      tenant: dice.of(ids),
      to: dice.of(ids),
      metric: dice.of(METRICS),
      period: dice.of(PERIODS),
      upTo: `${dice.below(120)}`,
      ...signed(dice),
    })),
    override: some(dice, 4, (index) => ({
      id: `o${index}`,
      tenant: dice.of(ids),
      metric: 'm1',
      period: dice.of(PERIODS),
      value: `${dice.below(120)}`,
      raises: dice.of([
        null,
        { by: 'privileged' } as const,
        { by: 'delegation', delegation: dice.of(['d0', 'd1', 'gone']) } as const,
      ]),
      ...signed(dice),
    })),
    entitlement: some(dice, 2, (index) => ({
      id: `e${index}`,
      tenant: dice.of(ids),
      product: 'ai',
      resourceType: dice.of(['*', 'job']),
      action: dice.of(['*', 'launch', 'read']),
      tier: null,
      ...signed(dice),
    })),
  };
  const used = new Map<string, bigint>();
  const usedAt = new Map<string, number>();
  const pending = new Map<string, bigint>();
  for (const id of ids) {
    for (const period of PERIODS) {
      const key = keyOf(id, 'm1', period);
      if (dice.chance(period === 'total' ? 96 : 85)) used.set(key, BigInt(dice.below(110)) * ONE);
      if (dice.chance(15)) usedAt.set(key, TRUE_NOW - dice.of(AGO));
    }
    if (dice.chance(40)) pending.set(`${id}|m1`, BigInt(dice.below(20)) * ONE);
  }
  const snapshotAgeMs = dice.chance(5) ? null : dice.of([200, 900, 3_000, 4_999, 5_001, 9_000, 60_000]);
  return { documents, used, usedAt, snapshotAgeMs, pending };
}

function randomTree(ids: readonly string[], dice: Dice): Documents['tenant'] {
  const parents = ids.map((_, index) =>
    index === 0 || dice.chance(10) ? null : (ids[dice.below(index)] ?? null),
  );
  return ids.map((id, index) => ({
    id,
    name: id,
    parent: parents[index] ?? null,
    ...(parents[index] === null && dice.chance(60)
      ? { billing: { timeZone: dice.of(ZONES), anchorDay: dice.of([1, 14, 15, 31]) } }
      : {}),
    class: dice.of(['internal', 'arms_length', 'external', 'external', null, null] as const),
    plan: dice.chance(55) ? dice.of(dice.chance(4) ? ['p0', 'gone'] : ['p0', 'p1']) : null,
    status: dice.chance(3) ? dice.of(['suspended', 'closed'] as const) : ('active' as const),
  }));
}

function plan(id: string, dice: Dice): DocumentOf<'plan'> {
  return {
    id,
    name: id,
    limits: PERIODS.filter(() => dice.chance(60)).map((period) => ({
      metric: 'm1',
      period,
      value: `${dice.below(120)}`,
      ...howStrict(period, dice),
      warnAt: dice.chance(40) ? [50 + dice.below(51)] : [],
    })),
    rates: [],
    concurrency: [],
    entitlements: dice.chance(85)
      ? [{ product: 'ai', resourceType: '*', action: dice.chance(80) ? '*' : 'read', tier: 'standard' }]
      : [],
    stale: { maxAgeMs: dice.of([5_000, 5_000, 10_000]), otherwise: dice.of(['deny', 'allow'] as const) },
    headroom: dice.of(['none', 'none', 'auto'] as const),
  };
}

function howStrict(period: (typeof PERIODS)[number], dice: Dice) {
  if (period === 'day' && dice.chance(40)) {
    const whenUnavailable = dice.of(['deny', 'snapshot'] as const);
    return { mode: 'hard', strict: true, whenUnavailable } as const;
  }
  const mode = dice.of(['hard', 'hard', 'soft'] as const);
  return { mode, strict: false, whenUnavailable: 'deny' } as const;
}

function signed(dice: Dice) {
  const around = (): string | null =>
    dice.chance(70)
      ? null
      : new Date(
          TRUE_NOW + (dice.below(2) === 0 ? -1 : 1) * (20_000 + dice.below(40) * HOUR_MS),
        ).toISOString();
  return { reason: 'r', author: 'a', start: around(), expiry: around() };
}

function some<T>(dice: Dice, most: number, make: (index: number) => T): T[] {
  return Array.from({ length: dice.below(most + 1) }, (_, index) => make(index));
}

export function randomRequest(dice: Dice, world: World): DecisionRequest {
  return {
    correlationId: 'c',
    actor: { type: 'user', id: 'u', roles: [], scopes: [] },
    tenantId: dice.chance(2) ? 'nobody' : dice.of(world.documents.tenant).id,
    product: dice.chance(2) ? 'other' : 'ai',
    resourceType: 'job',
    action: dice.of(['launch', 'read', 'read', dice.chance(90) ? 'launch' : 'erase']),
    usage: dice.chance(8)
      ? null
      : {
          metric: dice.chance(95) ? 'm1' : 'm2',
          unit: dice.chance(97) ? 'unit' : 'byte',
          delta: BigInt(dice.below(15)) * ONE,
        },
    slots: dice.below(2),
  };
}

export function randomVerdict(dice: Dice): PolicyVerdict {
  const outcome = dice.chance(94) ? 'allow' : dice.of(['deny', 'unavailable'] as const);
  return { outcome, engine: 'built_in', version: '1', rules: ['r'], problem: null };
}

export function randomRate(dice: Dice): RateFact {
  return dice.chance(92)
    ? { outcome: dice.of(['none', 'admitted'] as const) }
    : { outcome: dice.of(['limited', 'unavailable'] as const), retryAfterMs: 10 };
}

export function randomStrict(dice: Dice, world: World): StrictFact {
  if (dice.chance(90))
    return { outcome: dice.of(['not_asked', 'not_needed', 'charged', 'charged'] as const) };
  const scope = dice.of(world.documents.tenant).id;
  return dice.of<StrictFact>([
    { outcome: 'skipped', because: 'timeout' },
    { outcome: 'exhausted', scope, used: `${dice.below(120)}`, retryAfterMs: 10 },
    { outcome: 'unavailable', because: 'not_based', retryAfterMs: 10 },
  ]);
}

export function randomPlaces(dice: Dice): PlacesFact {
  if (dice.chance(92)) return { outcome: dice.of(['none', 'taken'] as const) };
  return dice.of<PlacesFact>([
    { outcome: 'full', scope: 't0', limit: '3', retryAfterMs: 10 },
    { outcome: 'unavailable', retryAfterMs: 10 },
  ]);
}

export function randomCapacity(dice: Dice): CapacityFact {
  return dice.chance(85)
    ? { outcome: dice.of(['not_asked', 'not_needed', 'reserved'] as const) }
    : { outcome: dice.of(['no_capacity', 'unavailable'] as const), retryAfterMs: null };
}

export function policySetOf(documents: Documents): PolicySet {
  const policy = new PolicySet();
  for (const [kind, bodies] of Object.entries(documents))
    for (const body of bodies as { id?: string; name?: string }[])
      policy.stage({ kind, id: body.id ?? body.name ?? '', version: 1n, body });
  policy.complete(1n);
  return policy;
}

/** What is found out apart from usage and policy. */
export type FoundOut = Pick<Facts, 'verdict' | 'strict' | 'rate' | 'places' | 'capacity'>;

/** @param skewMs by how much the reader's wall clock is ahead */
export function factsOf(world: World, rest: FoundOut, skewMs = 0): Facts & { table: SnapshotTable } {
  const table = new SnapshotTable();
  const policy = policySetOf(world.documents);
  const age = world.snapshotAgeMs;
  if (age !== null) {
    const asOf = TRUE_NOW - age;
    const stamp = (sequence: number, earlierMs: number) => ({
      epoch: 1,
      sequence,
      asOf: asOf - earlierMs,
      publishedAt: asOf - earlierMs,
    });
    const heardAt = MONOTONIC - age;
    let sequence = 0;
    for (const [key, amount] of world.used) {
      const [tenantId, metric, period] = key.split('|') as [string, string, (typeof PERIODS)[number]];
      const root = placeOf(policy, tenantId)?.lineage.at(-1) ?? tenantId;
      const { start, end } = spanOf(policy, root, period, world.usedAt.get(key) ?? asOf);
      const periodEnd = end === Infinity ? null : end;
      const about = { tenantId, metric, period, periodStart: start, periodEnd };
      // Half of it a second before, so that there is a rate.
      for (const [earlierMs, part] of [
        [1_000, amount / ONE / 2n],
        [0, amount / ONE],
      ] as const)
        table.apply(
          { kind: 'usage', ...stamp(++sequence, earlierMs), ...about, used: part.toString() },
          heardAt - earlierMs,
        );
    }
    table.apply({ kind: 'heartbeat', ...stamp(++sequence, 0) }, heardAt);
  }
  return {
    ...rest,
    table,
    policies: new Policies(policy),
    usage: table,
    pending: { pending: (scope, metric) => world.pending.get(`${scope}|${metric}`) ?? 0n },
    now: { wallMs: TRUE_NOW + skewMs, monotonicMs: MONOTONIC },
  };
}

const spans = new Map<string, Span>();

/** Of the tree of a root; the same few are asked for again and again. */
export function spanOf(policy: PolicySet, root: string, period: QuotaPeriod, ts: number): Span {
  const periods = periodsOf(policy, root);
  const key = `${periods.calendar.timeZone} ${periods.calendar.anchorDay} ${period} ${ts}`;
  let span = spans.get(key);
  if (span === undefined) {
    span = periods.of(period, ts);
    spans.set(key, span);
  }
  return span;
}

export const SKEWS = [-DAY_MS, -HOUR_MS, HOUR_MS, DAY_MS];
