/**
 * decide() against a slow and obvious reference, over random trees, plans, overrides, snapshots and
 * clocks, and what must hold whatever they are:
 * - I7: a stale or missing snapshot never lets a launch-sensitive action through
 * - I7: a clock that is wrong by an hour or a day, either way, never turns a denial into anything else
 * - I9: a lower scope never raises a ceiling without authority
 * - more usage never makes an answer kinder
 * - what is remembered from one decision to the next changes no answer, whatever the clock does between
 * - every decision replays to the same answer, also from JSON
 *
 * DECISIONS=3000000 tries as many.
 */
import { isDeepStrictEqual } from 'node:util';
import { expect, test } from 'vitest';
import { decide, type Facts } from './decide.ts';
import type { Decision, Outcome, QuotaCheck, Reason } from './decision.ts';
import { recordDecision, replayDecision } from './decision-record.ts';
import {
  Dice,
  factsOf,
  ONE,
  PERIODS,
  randomCapacity,
  randomPlaces,
  randomRate,
  randomRequest,
  randomStrict,
  randomVerdict,
  randomWorld,
  SKEWS,
  TRUE_NOW,
  type FoundOut,
  type World,
} from './random-world.testing.ts';
import type { DecisionRequest } from './request.ts';
import { parseDecisionRecord } from './stored-record.ts';

const DECISIONS = Number(process.env['DECISIONS'] ?? 40_000);
const REQUESTS_PER_WORLD = 8;
const KINDNESS: readonly Outcome[] = ['deny', 'warn', 'allow'];

interface Case {
  readonly seed: number;
  readonly dice: Dice;
  readonly world: World;
  readonly request: DecisionRequest;
  readonly rest: FoundOut;
}

function forEachCase(firstSeed: number, count: number, check: (each: Case) => void): void {
  for (let seed = firstSeed; seed < firstSeed + count / REQUESTS_PER_WORLD; seed++) {
    const dice = new Dice(seed);
    const world = randomWorld(dice);
    for (let i = 0; i < REQUESTS_PER_WORLD; i++)
      check({
        seed,
        dice,
        world,
        request: randomRequest(dice, world),
        rest: {
          verdict: randomVerdict(dice),
          strict: randomStrict(dice, world),
          rate: randomRate(dice),
          places: randomPlaces(dice),
          capacity: randomCapacity(dice),
        },
      });
  }
}

function answer(each: Case, world = each.world, skewMs = 0): { outcome: Outcome; reason: Reason } {
  const { outcome, reason } = decide(each.request, factsOf(world, each.rest, skewMs));
  return { outcome, reason };
}

function kinder(one: Outcome, than: Outcome): boolean {
  return KINDNESS.indexOf(one) > KINDNESS.indexOf(than);
}

const withSeed = (each: Case, found: object): object => ({
  seed: each.seed,
  request: each.request,
  ...found,
});

test('agrees with the reference', () => {
  const met = new Map<string, number>();
  forEachCase(1, DECISIONS, (each) => {
    const facts = factsOf(each.world, each.rest);
    const { outcome, reason, quota } = decide(each.request, facts);
    const got = { outcome, reason, scope: quota?.ceiling.scope ?? null };
    const wanted = reference(each);
    if (JSON.stringify(got) !== JSON.stringify(wanted))
      expect(withSeed(each, got)).toEqual(withSeed(each, wanted));
    met.set(`${outcome} ${reason}`, (met.get(`${outcome} ${reason}`) ?? 0) + 1);
  });
  // A test that never meets a reason says nothing about it.
  expect([...met.keys()].toSorted()).toEqual(EVERY_ANSWER);
});

test('I7: a stale or missing snapshot never lets a launch through', () => {
  forEachCase(100_000_000, DECISIONS / 4, (each) => {
    const age = each.world.snapshotAgeMs;
    if (each.request.action !== 'launch' || (age !== null && age <= 10_000)) return;
    if (answer(each).outcome !== 'deny')
      expect(withSeed(each, answer(each))).toMatchObject({ outcome: 'deny' });
  });
});

test('I7: a wrong wall clock never turns a denial into anything else', () => {
  forEachCase(200_000_000, DECISIONS / 8, (each) => {
    if (answer(each).outcome !== 'deny') return;
    for (const skewMs of SKEWS) {
      const skewed = answer(each, each.world, skewMs);
      if (skewed.outcome !== 'deny')
        expect(withSeed(each, { skewMs, ...skewed })).toMatchObject({ outcome: 'deny' });
    }
  });
});

test('I9: whatever overrides without authority are added, no answer gets kinder', () => {
  forEachCase(300_000_000, DECISIONS / 4, (each) => {
    const { dice, world } = each;
    const added = {
      id: 'added',
      tenant: dice.of(world.documents.tenant).id,
      metric: 'm1',
      period: dice.of(PERIODS),
      value: `${dice.below(1_000)}`,
      raises: dice.of([null, { by: 'delegation', delegation: 'gone' } as const]),
      reason: 'r',
      author: 'a',
      start: null,
      expiry: null,
    };
    const override = [...world.documents.override, added];
    const [before, after] = [
      answer(each),
      answer(each, { ...world, documents: { ...world.documents, override } }),
    ];
    if (kinder(after.outcome, before.outcome)) expect(withSeed(each, { added, after })).toEqual(before);
  });
});

test('more usage never makes an answer kinder', () => {
  forEachCase(400_000_000, DECISIONS / 4, (each) => {
    const used = new Map(each.world.used);
    for (const [key, amount] of used)
      if (each.dice.chance(40)) used.set(key, amount + BigInt(each.dice.below(60)) * ONE);
    const [before, after] = [answer(each), answer(each, { ...each.world, used })];
    if (kinder(after.outcome, before.outcome)) expect(withSeed(each, after)).toEqual(before);
  });
});

test('what is remembered from one decision to the next changes no answer', () => {
  let remembered: { readonly world: World; readonly facts: Facts } | null = null;
  forEachCase(600_000_000, DECISIONS / 16, (each) => {
    const { world, rest, request, dice } = each;
    const fresh = factsOf(world, rest, dice.of([0, 0, ...SKEWS]));
    if (remembered?.world !== world) remembered = { world, facts: fresh };
    const { policies, usage } = remembered.facts;
    const found = decide(request, { ...fresh, policies, usage });
    const wanted = decide(request, fresh);
    if (!isDeepStrictEqual(withoutPlaces(found), withoutPlaces(wanted)))
      expect(withSeed(each, withoutPlaces(found))).toEqual(withSeed(each, withoutPlaces(wanted)));
  });
});

/** Which table a key was last found in is no part of an answer. */
function withoutPlaces({ checks, quota, ...rest }: Decision): object {
  const plain = (check: QuotaCheck): object => ({
    ...check,
    ceiling: { ...check.ceiling, usageKey: check.ceiling.usageKey.text },
  });
  return { ...rest, checks: checks.map(plain), quota: quota === null ? null : plain(quota) };
}

test('every decision replays to the same answer', () => {
  forEachCase(500_000_000, DECISIONS / 4, (each) => {
    const facts = factsOf(each.world, each.rest);
    const stored = parseDecisionRecord(JSON.parse(JSON.stringify(recordDecision('id', each.request, facts))));
    const replay = replayDecision(stored, facts.policies);
    if (!replay.same) expect(withSeed(each, replay.decision)).toMatchObject({ outcome: stored.outcome });
    expect(replay.same).toBe(true);
  });
});

const EVERY_ANSWER = [
  'allow ok',
  'allow quota_exhausted',
  'allow quota_warning',
  'allow stale_snapshot',
  'deny capacity_unavailable',
  'deny missing_entitlement',
  'deny no_capacity',
  'deny policy_denied',
  'deny policy_unavailable',
  'deny quota_exhausted',
  'deny quota_unavailable',
  'deny rate_limited',
  'deny rate_unavailable',
  'deny registry_incomplete',
  'deny stale_snapshot',
  'deny tenant_closed',
  'deny tenant_suspended',
  'deny unknown_tenant',
  'deny unknown_unit',
  'warn quota_exhausted',
  'warn quota_warning',
];

/** As one would say it, with no thought for speed. */
function reference({ world, request, rest }: Case): {
  outcome: Outcome;
  reason: Reason;
  scope: string | null;
} {
  const { documents: docs } = world;
  const no = (reason: Reason, scope: string | null = null) => ({ outcome: 'deny' as const, reason, scope });
  const tenantOf = (id: string) => docs.tenant.find((tenant) => tenant.id === id);
  const planOf = (id: string) => docs.plan.find((plan) => plan.id === tenantOf(id)?.plan);

  // From the request's scope up.
  const lineage: string[] = [];
  for (let at: string | null = request.tenantId; at !== null;) {
    const tenant = tenantOf(at);
    if (tenant === undefined) return no('unknown_tenant');
    if (tenant.status === 'suspended') return no('tenant_suspended');
    if (tenant.status === 'closed') return no('tenant_closed');
    if (tenant.plan !== null && planOf(at) === undefined) return no('registry_incomplete');
    lineage.push(at);
    at = tenant.parent;
  }
  if (rest.verdict.outcome === 'deny') return no('policy_denied');
  if (rest.verdict.outcome === 'unavailable') return no('policy_unavailable');

  const heard = world.snapshotAgeMs;
  // While nothing was heard it may be any time.
  const from = heard === null ? -Infinity : TRUE_NOW - heard;
  const until = heard === null ? Infinity : TRUE_NOW;
  const inForce = (each: { start: string | null; expiry: string | null }, when: number): boolean =>
    (each.start === null || Date.parse(each.start) <= when) &&
    (each.expiry === null || when < Date.parse(each.expiry));
  const surely = (each: { start: string | null; expiry: string | null }) =>
    inForce(each, from) && inForce(each, until);
  const possibly = (each: { start: string | null; expiry: string | null }) =>
    inForce(each, from) || inForce(each, until);

  const matches = (each: { product: string; resourceType: string; action: string }): boolean =>
    each.product === request.product &&
    ['*', request.resourceType].includes(each.resourceType) &&
    ['*', request.action].includes(each.action);
  const granted = lineage.map((id) =>
    docs.entitlement.some((each) => each.tenant === id && matches(each) && surely(each)),
  );
  const planned = lineage.map((id) => planOf(id)?.entitlements.some(matches) ?? null);
  const covered = lineage.map((_, i) => granted[i] === true || planned[i] === true);
  if (!covered.includes(true)) return no('missing_entitlement');
  if (lineage.some((_, i) => planned[i] !== null && covered[i] === false)) return no('missing_entitlement');

  const action = docs.product[0]?.actions.find((each) => each.action === request.action);
  if (request.product !== 'ai' || action === undefined) return no('unknown_unit');
  if (request.usage !== null && (request.usage.metric !== 'm1' || request.usage.unit !== 'unit'))
    return no('unknown_unit');

  const plans = lineage.flatMap((id) => planOf(id) ?? []);
  const maxAge = Math.min(...(plans.length === 0 ? [5_000] : plans.map((plan) => plan.stale.maxAgeMs)));
  const classes = lineage.map((id) => tenantOf(id)?.class);
  const tenantClass =
    classes.includes('external') || classes.every((each) => each === null)
      ? 'external'
      : classes.includes('arms_length')
        ? 'arms_length'
        : 'internal';
  const strictScopes: string[] = [];
  const old = heard === null || heard > maxAge;
  const root = lineage.at(-1) ?? '';
  const found: { scope: string; left: bigint; how: number }[] = [];
  let unknown = false;
  if (!old && request.usage !== null)
    for (const period of PERIODS) {
      // What a delegated or privileged raise lets exceed: up to a value, up to a scope.
      const lifts: { value: bigint; scopes: string[] }[] = [];
      for (const [depth, scope] of lineage.entries()) {
        const limit = planOf(scope)?.limits.find((each) => each.period === period);
        const own = docs.override.filter((each) => each.tenant === scope && each.period === period);
        const above = lineage.slice(depth);
        const raising = own.flatMap((each) => {
          if (each.raises === null || !surely(each)) return [];
          if (each.raises.by === 'privileged') return [{ each, scopes: above }];
          const { delegation } = each.raises;
          const given = docs.delegation.find((one) => one.id === delegation);
          if (given === undefined || !surely(given) || given.metric !== 'm1' || given.period !== period)
            return [];
          if (Number(each.value) > Number(given.upTo) || !above.includes(given.to)) return [];
          if (!above.slice(above.indexOf(given.to)).includes(given.tenant)) return [];
          return [{ each, scopes: above.slice(0, above.indexOf(given.tenant) + 1) }];
        });
        const narrowing = own.filter((each) => !raising.some((one) => one.each === each) && possibly(each));
        const highest = raising.toSorted((a, b) => Number(b.each.value) - Number(a.each.value))[0];
        const options = [limit?.value, highest?.each.value].flatMap((value) =>
          value === undefined ? [] : [Number(value)],
        );
        const base = options.length === 0 ? null : Math.max(...options);
        const values = [...(base === null ? [] : [base]), ...narrowing.map((each) => Number(each.value))];
        if (values.length === 0) continue;
        const ceiling = BigInt(Math.min(...values)) * ONE;
        const isLifted = lifts.some((lift) => ceiling < lift.value && lift.scopes.includes(scope));
        if (highest !== undefined) {
          const raised = BigInt(highest.each.value) * ONE;
          lifts.push({ value: raised < ceiling ? raised : ceiling, scopes: highest.scopes });
        }
        if (isLifted) continue;
        const key = `${scope}|m1|${period}`;
        const then = world.used.get(key) ?? 0n;
        if (period === 'total' && !world.used.has(key)) {
          unknown = true;
          continue;
        }
        const billing = tenantOf(root)?.billing;
        const amount = samePeriod(period, world.usedAt.get(key) ?? TRUE_NOW, billing) ? then : 0n;
        const pending = world.pending.get(`${scope}|m1`) ?? 0n;
        const perSecond = then - (then / ONE / 2n) * ONE;
        const kept = planOf(scope)?.headroom === 'auto' ? (perSecond * BigInt(heard)) / 1_000n : 0n;
        const left = ceiling - amount - pending - kept;
        const after = amount + pending + request.usage.delta;
        const warns = (limit?.warnAt ?? []).some((percent) => after >= (ceiling * BigInt(percent)) / 100n);
        const how = request.usage.delta > left ? ((limit?.mode ?? 'hard') === 'hard' ? 3 : 2) : warns ? 1 : 0;
        found.push({ scope, left, how });
        if (limit?.strict === true) strictScopes.push(`${scope} ${limit.whenUnavailable}`);
      }
    }
  const stale = old || unknown;
  if (stale && action.launchSensitive) return no('stale_snapshot');
  const staleAllowed = plans.length > 0 && plans.every((plan) => plan.stale.otherwise === 'allow');
  if (stale && tenantClass !== 'internal' && !staleAllowed) return no('stale_snapshot');

  let verdict: { outcome: Outcome; reason: Reason; scope: string | null } = {
    outcome: 'allow',
    reason: stale ? 'stale_snapshot' : 'ok',
    scope: null,
  };
  if (found.length > 0) {
    const worst = Math.max(...found.map((each) => each.how), -1);
    const least = found
      .filter((each) => each.how === worst)
      .toSorted((a, b) => (a.left < b.left ? -1 : a.left > b.left ? 1 : 0))[0];
    if (least !== undefined) {
      const { scope } = least;
      if (worst === 3 && tenantClass === 'external') return no('quota_exhausted', scope);
      const outcome = worst === 0 || tenantClass === 'internal' ? 'allow' : 'warn';
      verdict = {
        outcome,
        reason: worst >= 2 ? 'quota_exhausted' : worst === 1 ? 'quota_warning' : verdict.reason,
        scope,
      };
    }
  }
  const { strict } = rest;
  if (strict.outcome === 'exhausted') {
    const named = strictScopes.some((each) => each.startsWith(`${strict.scope} `));
    verdict = {
      outcome: tenantClass === 'internal' ? 'allow' : 'warn',
      reason: 'quota_exhausted',
      scope: named ? strict.scope : verdict.scope,
    };
    if (tenantClass === 'external') return no('quota_exhausted', verdict.scope);
  }
  if (tenantClass === 'external') {
    if (strict.outcome === 'unavailable') return no('quota_unavailable', verdict.scope);
    if (strict.outcome === 'not_needed' && strictScopes.some((each) => each.endsWith(' deny')))
      return no('quota_unavailable', verdict.scope);
  }
  const { scope } = verdict;
  if (rest.rate.outcome === 'limited') return no('rate_limited', scope);
  if (rest.rate.outcome === 'unavailable') return no('rate_unavailable', scope);
  if (rest.places.outcome === 'full') return no('no_capacity', scope);
  if (rest.places.outcome === 'unavailable') return no('capacity_unavailable', scope);
  if (rest.capacity.outcome === 'no_capacity') return no('no_capacity', scope);
  if (rest.capacity.outcome === 'unavailable') return no('capacity_unavailable', scope);
  if (action.pool !== null && request.slots > 0 && rest.capacity.outcome === 'not_needed')
    return no('capacity_unavailable', scope);
  return verdict;
}

const shown = new Map<string, string>();

/** Whether both instants lie in one period, by what a calendar on the wall there shows. */
function samePeriod(
  period: (typeof PERIODS)[number],
  then: number,
  { timeZone, anchorDay }: { timeZone: string; anchorDay: number } = { timeZone: 'UTC', anchorDay: 1 },
): boolean {
  const show = (ts: number): string => {
    const key = `${period} ${timeZone} ${anchorDay} ${ts}`;
    const text = shown.get(key) ?? onTheWall(period, timeZone, anchorDay, ts);
    shown.set(key, text);
    return text;
  };
  return period === 'total' || show(then) === show(TRUE_NOW);
}

function onTheWall(period: string, timeZone: string, anchorDay: number, ts: number): string {
  const clock = { hourCycle: 'h23', dateStyle: 'short', timeStyle: 'short' } as const;
  const text = new Intl.DateTimeFormat('en-CA', { timeZone, ...clock }).format(ts);
  const [year = 0, month = 0, day = 0, hour = 0] = text.split(/[-, :]+/).map(Number);
  if (period === 'hour') return `${year} ${month} ${day} ${hour}`;
  if (period === 'day') return `${year} ${month} ${day}`;
  // From the anchor on, or the last day of a month without it, the date is of the month that begins.
  const begun = day >= Math.min(anchorDay, new Date(Date.UTC(year, month, 0)).getUTCDate());
  return `${year * 12 + month - (begun ? 0 : 1)}`;
}
