/**
 * The registry's documents: what enforcement knows besides usage. Commercial packaging is data here,
 * never code. Written by the command, kept by Postgres version by version, carried by the snapshot
 * topic, and read by decide().
 */
import { AGGREGATIONS, isMetricName, isTenantId, parseDecimal, type Billionths } from '@meterhouse/usage';
import { isTimeZone, UTC_CALENDAR } from '@meterhouse/usage/calendar';
import { z } from 'zod';
import { accessRule } from './access-rule.ts';

const NAME = /^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$/;
const NAME_WORDS =
  'must begin with a letter or digit and go on with at most 127 of letters, digits and . _ : / -';

export const name = z.string().regex(NAME, NAME_WORDS);
export const tenantId = z.string().refine(isTenantId, {
  message: 'must begin with a letter or digit and go on with at most 127 of letters, digits and . _ : @ / -',
});
export const metricName = z.string().refine(isMetricName, {
  message: 'must begin with a letter and go on with at most 127 of letters, digits and . _ -',
});
export const text = (maxLength: number) =>
  z
    .string()
    .min(1, 'must not be empty')
    .max(maxLength, `must have at most ${maxLength} characters`)
    // Postgres cannot store NUL, and a broken surrogate would change on its way there.
    .refine((value) => !value.includes('\0') && value.isWellFormed(), 'must be text without NUL');

/** A decimal that is not negative, as a string: YAML would make a float of a number. */
export const quantity = z.string().refine(
  (value) => {
    const parsed = parseDecimal(value);
    return typeof parsed === 'bigint' && parsed >= 0n;
  },
  { message: 'must be a decimal in quotes, not negative, with at most 9 decimals' },
);

/** In billionths. @throws TypeError unless `quantity` has checked the text */
export function amountOf(text: string): Billionths {
  const value = parseDecimal(text);
  if (typeof value !== 'bigint') throw new TypeError(`not a decimal: ${text}`);
  return value;
}

/** RFC 3339 with a zone. */
const instant = z.iso.datetime({ offset: true, message: 'must be an instant like 2026-01-31T00:00:00Z' });

const aggregation = z.unknown().transform((value, context) => {
  const known = AGGREGATIONS.find((each) => each === value);
  if (known !== undefined) return known;
  context.addIssue({
    code: 'custom',
    message:
      value === 'unique'
        ? 'unique cannot be counted yet; register the metric with sum, count, max, min or latest'
        : `must be one of ${AGGREGATIONS.join(', ')}`,
  });
  return z.NEVER;
});

export const TENANT_CLASSES = ['internal', 'arms_length', 'external'] as const;
export type TenantClass = (typeof TENANT_CLASSES)[number];
/** Periods whose usage the snapshots carry; `total` never ends. */
export const QUOTA_PERIODS = ['hour', 'day', 'month', 'total'] as const;

const period = z.enum(QUOTA_PERIODS, {
  error: ({ input }) =>
    input === 'minute'
      ? 'a minute is how fast, not how much: write it under rates of a plan, with periodMs: 60000'
      : undefined,
});

/** By what the days and months of a root tenant and of all below it turn; UTC and the first where it is not said. */
export const billing = z.strictObject({
  timeZone: z
    .string()
    .max(64)
    .refine(isTimeZone, 'must be the name of a time zone, such as Europe/Berlin')
    .default(UTC_CALENDAR.timeZone),
  /** In a month without that day, its last. */
  anchorDay: z
    .int('must be a whole number')
    .min(1, 'must be 1 to 31')
    .max(31, 'must be 1 to 31')
    .default(UTC_CALENDAR.anchorDay),
});

/**
 * What a metric measures, in the words of invoices and dashboards. Held against what is written, not
 * against what is read: a registry with a metric from before the list was closed stays readable.
 */
export const METRIC_FAMILIES = [
  'compute',
  'app_runtime',
  'token_request',
  'storage',
  'network',
  'capacity_reservation',
] as const;

const tenant = z.strictObject({
  id: tenantId,
  name: text(256),
  parent: tenantId.nullable(),
  /** Null: its parent's; a root without one is external. */
  class: z.enum(TENANT_CLASSES).nullable(),
  plan: name.nullable(),
  status: z.enum(['active', 'suspended', 'closed']),
  // Left out where nothing is said: an older release reads no tenant with a field that it does not know.
  billing: billing.optional(),
});

const metric = z.strictObject({
  name: metricName,
  unit: text(128),
  aggregation,
  scale: z.int('must be a whole number').min(0, 'must be 0 to 9').max(9, 'must be 0 to 9'),
  family: text(128),
  groupBy: z
    .array(text(64))
    .max(8, 'must name at most 8 attributes')
    .refine((names) => new Set(names).size === names.length, 'names an attribute twice')
    .default([]),
});

/** What a product measures, and what can be done with it. A handler cannot name anything else. */
const product = z.strictObject({
  id: name,
  name: text(256),
  dimensions: z
    .array(z.strictObject({ metric: metricName, unit: text(128) }))
    .max(100)
    .default([]),
  actions: z
    .array(
      z.strictObject({
        resourceType: name,
        action: name,
        /** Starts something that costs until it is stopped: never on old knowledge. */
        launchSensitive: z.boolean(),
        /** The capacity that it takes. */
        pool: name.nullable().default(null),
      }),
    )
    .max(200)
    .default([]),
});

const quotaLimit = z
  .strictObject({
    metric: metricName,
    period,
    value: quantity,
    mode: z.enum(['hard', 'soft']).default('hard'),
    /** Percent of the value from which on decisions warn. */
    warnAt: z.array(z.int().min(1).max(100)).max(5).default([]),
    /** Counted by the rate limiter as well, in one counter for all processes: never passed by them together. */
    strict: z.boolean().default(false),
    /** What happens to a strict limit while that counter cannot be asked: deny, or the snapshot alone decides. */
    whenUnavailable: z.enum(['deny', 'snapshot']).default('deny'),
  })
  .superRefine((limit, context) => {
    if (limit.strict)
      for (const message of strictProblems(limit)) context.addIssue({ ...message, code: 'custom' });
  });

/** A strict counter is a number with a day in its name, which only goes up. */
function strictProblems(limit: {
  readonly period: QuotaPeriod;
  readonly value: string;
  readonly mode: string;
}): { readonly path: string[]; readonly message: string }[] {
  const value = parseDecimal(limit.value);
  const problems: { path: string[]; message: string }[] = [];
  if (limit.mode !== 'hard')
    problems.push({ path: ['strict'], message: 'only a hard limit can be strict: a soft one may be passed' });
  if (limit.period !== 'day')
    problems.push({
      path: ['strict'],
      message: `only a limit a day can be strict, not one a ${limit.period}: its counter is kept by UTC day`,
    });
  if (typeof value === 'bigint' && value >= STRICT_VALUE_BELOW)
    problems.push({ path: ['value'], message: 'must be below 10^15 where the limit is strict' });
  return problems;
}

/** As far as a strict counter counts exactly, in billionths. */
const STRICT_VALUE_BELOW = 10n ** 24n;

/** How fast, instead of how much: kept by the rate limiter. */
const rateLimit = z.strictObject({
  id: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'must be 1 to 64 of letters, digits and . _ -'),
  /** Route or action it is for; every one when null. */
  route: text(256).nullable().default(null),
  algorithm: z.enum(['token_bucket', 'sliding_window']).default('token_bucket'),
  limit: z.int().min(1).max(1_000_000_000),
  periodMs: z.int().min(1_000).max(3_600_000),
  /** Units at once after a pause, of a token bucket; by default as many as the limit. */
  burst: z.int().min(1).max(1_000_000_000).nullable().default(null),
  /** What happens while the limiter's store is away: each process allows its share, or nothing. */
  whenUnavailable: z.enum(['local', 'deny']).default('local'),
  /** That share, in millionths of limit and burst. */
  localSharePpm: z.int().min(0).max(1_000_000).default(100_000),
});

/** How many at once: places in the rate limiter's store, each held while the work runs. */
const concurrencyLimit = z.strictObject({
  id: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'must be 1 to 64 of letters, digits and . _ -'),
  /** What it is for; whatever is null may be anything. */
  route: text(256).nullable().default(null),
  product: name.nullable().default(null),
  resourceType: name.nullable().default(null),
  action: name.nullable().default(null),
  /** Of the tenant and all below it together. */
  limit: z.int().min(1).max(100_000),
  /** A place that is not renewed for so long, because its holder died, is free again. */
  leaseMs: z.int().min(1_000).max(3_600_000).default(60_000),
});

const entitled = {
  product: name,
  /** `*` for all of the product's. */
  resourceType: z.union([name, z.literal('*')]),
  action: z.union([name, z.literal('*')]),
  tier: name.nullable().default(null),
};

const plan = z.strictObject({
  id: name,
  name: text(256),
  limits: z.array(quotaLimit).max(200).default([]),
  rates: z.array(rateLimit).max(200).default([]),
  concurrency: z.array(concurrencyLimit).max(200).default([]),
  entitlements: z.array(z.strictObject(entitled)).max(500).default([]),
  stale: z
    .strictObject({
      /** Usage older than this does not decide. */
      maxAgeMs: z.int().min(1_000).max(300_000).default(5_000),
      /** What happens then to what is not launch-sensitive. */
      otherwise: z.enum(['deny', 'allow']).default('deny'),
    })
    .default({ maxAgeMs: 5_000, otherwise: 'deny' }),
  /** `auto` keeps back what other processes can have used since the snapshot. */
  headroom: z.enum(['none', 'auto']).default('none'),
});

const interval = { start: instant.nullable().default(null), expiry: instant.nullable().default(null) };
const signed = { reason: text(1_000), author: text(256), ...interval };

/** Another ceiling for one scope. Without authority it can only narrow. */
const override = z.strictObject({
  id: name,
  tenant: tenantId,
  metric: metricName,
  period,
  value: quantity,
  /** By what right it raises the ceiling: null, it does not. */
  raises: z
    .discriminatedUnion('by', [
      z.strictObject({ by: z.literal('privileged') }),
      z.strictObject({ by: z.literal('delegation'), delegation: name }),
    ])
    .nullable()
    .default(null),
  ...signed,
});

/** The right to raise a ceiling below a scope, up to a value. */
const delegation = z.strictObject({
  id: name,
  /** Who gives it: its own ceilings and those between may be exceeded, those above it not. */
  tenant: tenantId,
  /** Whose ceilings may be raised, with all below. */
  to: tenantId,
  metric: metricName,
  period,
  upTo: quantity,
  ...signed,
});

const entitlement = z.strictObject({ id: name, tenant: tenantId, ...entitled, ...signed });

const pool = z.strictObject({
  id: name,
  unit: text(128),
  size: z.int('must be a whole number').min(0).max(Number.MAX_SAFE_INTEGER),
});

/** Every kind of document, by its name. */
export const DOCUMENTS = {
  tenant,
  metric,
  product,
  plan,
  override,
  delegation,
  entitlement,
  pool,
  access_rule: accessRule,
} as const;
export type DocumentKind = keyof typeof DOCUMENTS;
export const DOCUMENT_KINDS = Object.keys(DOCUMENTS) as readonly DocumentKind[];
export type DocumentOf<K extends DocumentKind> = z.infer<(typeof DOCUMENTS)[K]>;

export type TenantDocument = DocumentOf<'tenant'>;
export type MetricDocument = DocumentOf<'metric'>;
export type ProductDocument = DocumentOf<'product'>;
export type PlanDocument = DocumentOf<'plan'>;
export type OverrideDocument = DocumentOf<'override'>;
export type DelegationDocument = DocumentOf<'delegation'>;
export type EntitlementDocument = DocumentOf<'entitlement'>;
export type PoolDocument = DocumentOf<'pool'>;
export type QuotaPeriod = (typeof QUOTA_PERIODS)[number];
export type LimitMode = 'hard' | 'soft';

/** One document as it stands since a version of the registry. */
export interface RegistryDocument {
  /** One of DocumentKind, unless a newer build wrote it. */
  readonly kind: string;
  readonly id: string;
  /** The registry's version that made it so. */
  readonly version: bigint;
  /** Null: it was removed. */
  readonly body: unknown;
}
