/** What one call asks for, checked: the request path must not be where a broken plan is found out. */
import { METRIC_NAME, parseDecimal, periodStart, TENANT_ID, type Billionths } from '@meterhouse/usage';
import { z } from 'zod';
import { rateRuleSchema, type RateRule } from './rule.ts';

/** One scope's rate: `cost` units of the rule, for this tenant on this route. */
export interface RateCharge {
  readonly tenantId: string;
  /** The route's pattern, never the raw path: each route has a counter of its own. `*` for all routes. */
  readonly route: string;
  readonly rule: RateRule;
  /** Whole units, at least 1. */
  readonly cost: number;
}

/** One scope's strict quota of the current UTC day. */
export interface QuotaCharge {
  readonly tenantId: string;
  readonly metric: string;
  /** Decimal, not negative, below 10^15. */
  readonly delta: string;
  /** Decimal, not negative, below 10^15. The day's usage never passes it. */
  readonly ceiling: string;
}

/** One scope's concurrency limit. */
export interface LeaseCharge {
  readonly tenantId: string;
  /** Names the limit's state in the store, as a rule's id does. */
  readonly id: string;
  /** Leases at once. */
  readonly limit: number;
  /** After which a lease that is not renewed ends by itself. */
  readonly leaseMs: number;
}

/** A place in each of several concurrency limits, taken and given back together. */
export interface Leases {
  /** Unique within the root; asked again, it is the same lease. */
  readonly id: string;
  readonly of: readonly LeaseCharge[];
}

/** Where the charges are made. */
export interface ChargePlace {
  /** The root of the lineage that all charges lie in: what is charged together is kept together. */
  readonly rootId: string;
  readonly quotas?: readonly QuotaCharge[];
  readonly leases?: Leases;
}

/** What was charged to strict quotas, for giving it back; see RateLimiter.refund. */
export interface ChargeReceipt {
  readonly rootId: string;
  readonly refundId: string;
  readonly charged: readonly {
    readonly tenantId: string;
    readonly metric: string;
    readonly deltaUnits: Billionths;
    /** Epoch ms on the store's clock. */
    readonly atMs: number;
    /** Of the UTC day whose counter it is, epoch ms. */
    readonly dayStart: number;
  }[];
}

/** What a snapshot says of a strict quota's day. */
export interface Rebase {
  readonly rootId: string;
  readonly tenantId: string;
  readonly metric: string;
  /** Epoch ms at which the UTC day begins. */
  readonly dayStart: number;
  /** Decimal: what the tenant and all below it used on that day. Negative counts as 0, 10^15 and more as 10^15. */
  readonly used: string;
  /** Epoch ms: every event that the broker had before it is in `used`. */
  readonly asOf: number;
}

export interface CheckedQuota extends QuotaCharge {
  readonly deltaUnits: Billionths;
  readonly ceilingUnits: Billionths;
}

/** A call that cannot be carried out as it is written. The message names the field. */
export class InvalidChargeError extends TypeError {
  constructor(field: string, problem: string) {
    super(`${field}: ${problem}`);
    this.name = 'InvalidChargeError';
  }
}

/** Of each kind in one call: as many as scopes can lie above each other. */
const MAX_CHARGES = 64;
const MAX_COST = 1_000_000_000;
const MAX_ROUTE_LENGTH = 256;
const MAX_LEASES = 100_000;
const MAX_LEASE_MS = 3_600_000;
const LIMIT_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const LEASE_ID = /^[\x21-\x7e]{1,128}$/;
/** Amounts stay below 10^15 so that sums of them are exact in Lua, whole part and billionths apart. */
export const MAX_STRICT_AMOUNT: Billionths = 10n ** 24n;

/** Rules that have passed the schema; a plan's rules are checked once, not at every call. */
const checkedRules = new WeakSet<RateRule>();

/** @throws InvalidChargeError */
export function checkCharges(charges: readonly RateCharge[], place: ChargePlace): readonly CheckedQuota[] {
  const quotas = place.quotas ?? [];
  if (charges.length + quotas.length === 0 && place.leases === undefined)
    throw new InvalidChargeError('charges', 'nothing to charge');
  if (charges.length > MAX_CHARGES) throw new InvalidChargeError('charges', `more than ${MAX_CHARGES}`);
  if (quotas.length > MAX_CHARGES) throw new InvalidChargeError('quotas', `more than ${MAX_CHARGES}`);
  checkTenant('rootId', place.rootId);
  if (place.leases !== undefined) checkLeases(place.leases);
  const seen = new Set<string>();
  charges.forEach((charge, index) => {
    checkRate(`charges[${index}]`, charge);
    const name = JSON.stringify([charge.tenantId, charge.route, charge.rule.id]);
    if (seen.has(name)) throw new InvalidChargeError(`charges[${index}]`, 'charged twice in one call');
    seen.add(name);
  });
  return quotas.map((quota, index) => {
    const name = `${quota.tenantId}|${quota.metric}`;
    if (seen.has(name)) throw new InvalidChargeError(`quotas[${index}]`, 'charged twice in one call');
    seen.add(name);
    return checkQuota(`quotas[${index}]`, quota);
  });
}

/** @throws InvalidChargeError */
export function checkLeases({ id, of }: Leases): void {
  if (!LEASE_ID.test(id)) throw new InvalidChargeError('leases.id', 'must have 1 to 128 plain characters');
  if (of.length === 0 || of.length > MAX_CHARGES)
    throw new InvalidChargeError('leases.of', `must name 1 to ${MAX_CHARGES} limits`);
  const seen = new Set<string>();
  of.forEach((lease, index) => {
    const field = `leases.of[${index}]`;
    checkTenant(`${field}.tenantId`, lease.tenantId);
    if (!LIMIT_ID.test(lease.id))
      throw new InvalidChargeError(`${field}.id`, 'must be 1 to 64 of letters, digits and . _ -');
    if (!Number.isSafeInteger(lease.limit) || lease.limit < 1 || lease.limit > MAX_LEASES)
      throw new InvalidChargeError(`${field}.limit`, `must be a whole number from 1 to ${MAX_LEASES}`);
    if (!Number.isSafeInteger(lease.leaseMs) || lease.leaseMs < 1_000 || lease.leaseMs > MAX_LEASE_MS)
      throw new InvalidChargeError(`${field}.leaseMs`, `must be a whole number from 1000 to ${MAX_LEASE_MS}`);
    const name = `${lease.tenantId}|${lease.id}`;
    if (seen.has(name)) throw new InvalidChargeError(field, 'taken twice in one call');
    seen.add(name);
  });
}

function checkRate(field: string, charge: RateCharge): void {
  checkTenant(`${field}.tenantId`, charge.tenantId);
  if (charge.route.length === 0 || charge.route.length > MAX_ROUTE_LENGTH)
    throw new InvalidChargeError(`${field}.route`, `must have 1 to ${MAX_ROUTE_LENGTH} characters`);
  if (!charge.route.isWellFormed())
    throw new InvalidChargeError(`${field}.route`, 'is not well-formed Unicode');
  if (!Number.isSafeInteger(charge.cost) || charge.cost < 1 || charge.cost > MAX_COST)
    throw new InvalidChargeError(`${field}.cost`, `must be a whole number from 1 to ${MAX_COST}`);
  if (checkedRules.has(charge.rule)) return;
  const parsed = rateRuleSchema.safeParse(charge.rule);
  if (!parsed.success) throw new InvalidChargeError(`${field}.rule`, z.prettifyError(parsed.error));
  // Frozen, so that what was checked is what will be used.
  checkedRules.add(Object.freeze(charge.rule));
}

function checkQuota(field: string, quota: QuotaCharge): CheckedQuota {
  checkTenant(`${field}.tenantId`, quota.tenantId);
  checkMetric(`${field}.metric`, quota.metric);
  return {
    ...quota,
    deltaUnits: checkAmount(`${field}.delta`, quota.delta),
    ceilingUnits: checkAmount(`${field}.ceiling`, quota.ceiling),
  };
}

/**
 * @returns `used` within the bounds of a counter
 * @throws InvalidChargeError
 */
export function checkRebase({ rootId, tenantId, metric, dayStart, used, asOf }: Rebase): Billionths {
  checkTenant('rootId', rootId);
  checkTenant('tenantId', tenantId);
  checkMetric('metric', metric);
  if (!Number.isSafeInteger(dayStart) || dayStart < 0 || periodStart('day', dayStart) !== dayStart)
    throw new InvalidChargeError('dayStart', 'is not the start of a UTC day');
  if (!Number.isSafeInteger(asOf) || asOf < 0) throw new InvalidChargeError('asOf', 'is not an instant');
  const amount = parseDecimal(used);
  if (amount === 'too_large') return MAX_STRICT_AMOUNT;
  if (typeof amount !== 'bigint') throw new InvalidChargeError('used', 'is not a decimal');
  // Above every ceiling there can be, so that too much usage is not taken for none.
  if (amount > MAX_STRICT_AMOUNT) return MAX_STRICT_AMOUNT;
  return amount < 0n ? 0n : amount;
}

function checkTenant(field: string, tenantId: string): void {
  if (!TENANT_ID.test(tenantId)) throw new InvalidChargeError(field, 'is not a tenant id');
}

function checkMetric(field: string, metric: string): void {
  if (!METRIC_NAME.test(metric)) throw new InvalidChargeError(field, 'is not a metric name');
}

function checkAmount(field: string, text: string): Billionths {
  const amount = parseDecimal(text);
  if (typeof amount !== 'bigint' || amount < 0n)
    throw new InvalidChargeError(field, 'must be a decimal that is not negative');
  if (amount >= MAX_STRICT_AMOUNT) throw new InvalidChargeError(field, 'must be below 10^15');
  return amount;
}
