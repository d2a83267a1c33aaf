/** Records as they come back from a store: a year later, and perhaps written by another build. */
import { z } from 'zod';
import { QUOTA_PERIODS } from '../registry/documents.ts';
import { ALL_PPM, type DecisionRecord } from './decision-record.ts';
import { REASONS } from './decision.ts';

/** The record lacks something, or says what this build does not know. The message names the field. */
export class UnreadableRecordError extends Error {
  constructor(problems: readonly string[]) {
    super(`the record cannot be read: ${problems.join('; ')}`);
    this.name = 'UnreadableRecordError';
  }
}

const SHOWN = 5;

/** Wider than an event's value: sums are. */
const decimal = z.string().regex(/^-?[0-9]{1,60}(\.[0-9]{1,9})?$/, 'must be a decimal');
const amount = decimal.refine((text) => !text.startsWith('-'), 'must not be negative');
const text = z.string().max(1_024);
const texts = z.array(text).max(10_000);
const age = z.number().nullable();
/** Epoch ms that a Date can hold. */
const instant = z.number().min(-8_640_000_000_000_000).max(8_640_000_000_000_000);

const reading = z.discriminatedUnion('state', [
  z.object({
    state: z.literal('known'),
    used: decimal,
    perSecond: decimal,
    periodStart: instant,
    asOf: instant,
    ageMs: age,
  }),
  z.object({ state: z.literal('absent'), asOf: instant, ageMs: age }),
  z.object({
    state: z.literal('unknown'),
    reason: z.enum(['nothing_heard', 'period_not_reached', 'not_published', 'unreadable', 'table_full']),
    asOf: instant.nullable(),
    ageMs: age,
  }),
]);

const ceiling = z.object({
  scope: text,
  metric: text,
  period: z.enum(QUOTA_PERIODS),
  value: decimal,
  source: text,
  used: decimal,
  pending: decimal,
  remaining: decimal,
});

const record = z.object({
  id: text,
  at: instant,
  request: z.object({
    correlationId: text,
    actor: z.object({ type: text, id: text, roles: texts, scopes: texts }),
    tenantId: text,
    product: text,
    resourceType: text,
    action: text,
    usage: z.object({ metric: text, unit: text, delta: amount }).nullable(),
    slots: z.int().min(0),
  }),
  registryVersion: z.string().regex(/^[0-9]{1,18}$/, 'must be a whole number'),
  verdict: z.object({
    outcome: z.enum(['allow', 'deny', 'unavailable']),
    engine: text,
    version: text,
    rules: texts,
    problem: z.enum(['deadline', 'engine_failed', 'bad_answer', 'overloaded']).nullable(),
  }),
  strict: z
    .discriminatedUnion('outcome', [
      z.object({ outcome: z.enum(['not_asked', 'not_needed', 'charged']) }),
      z.object({ outcome: z.literal('skipped'), because: text }),
      z.object({ outcome: z.literal('exhausted'), scope: text, used: decimal, retryAfterMs: z.number() }),
      z.object({ outcome: z.literal('unavailable'), because: text, retryAfterMs: z.number() }),
    ])
    // Of before there were strict ceilings.
    .default({ outcome: 'not_needed' }),
  places: z
    .discriminatedUnion('outcome', [
      z.object({ outcome: z.enum(['none', 'taken']) }),
      z.object({ outcome: z.literal('full'), scope: text, limit: text, retryAfterMs: z.number() }),
      z.object({ outcome: z.literal('unavailable'), retryAfterMs: z.number() }),
    ])
    .default({ outcome: 'none' }),
  keptPpm: z.int().min(1).max(ALL_PPM).default(ALL_PPM),
  rate: z.discriminatedUnion('outcome', [
    z.object({ outcome: z.enum(['none', 'admitted']) }),
    z.object({ outcome: z.enum(['limited', 'unavailable']), retryAfterMs: z.number() }),
  ]),
  capacity: z.discriminatedUnion('outcome', [
    z.object({ outcome: z.enum(['not_asked', 'not_needed', 'reserved']) }),
    z.object({ outcome: z.enum(['no_capacity', 'unavailable']), retryAfterMs: z.number().nullable() }),
  ]),
  now: z.object({ wallMs: instant, monotonicMs: z.number() }),
  heard: z.object({ asOf: instant.nullable(), ageMs: age, monotonicAgeMs: age }),
  readings: z.record(z.string(), reading),
  pending: z.record(z.string(), decimal),
  outcome: z.enum(['allow', 'deny', 'warn']),
  reason: z.enum(REASONS),
  enforced: z.boolean(),
  ceiling: ceiling.nullable(),
}) satisfies z.ZodType<DecisionRecord>;

/**
 * Checks what a store gave back.
 * @param stored parsed JSON
 * @throws UnreadableRecordError
 */
export function parseDecisionRecord(stored: unknown): DecisionRecord {
  const parsed = record.safeParse(stored);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'it'}: ${message}`);
  const more = problems.length > SHOWN ? [`and ${problems.length - SHOWN} more`] : [];
  throw new UnreadableRecordError([...problems.slice(0, SHOWN), ...more]);
}
