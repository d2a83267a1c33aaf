/** What may be asked of a pool, and within which bounds. */
import { EVENT_LIMITS, isTenantId } from '@meterhouse/usage';
import { z } from 'zod';

export const CAPACITY_LIMITS = {
  nameLength: EVENT_LIMITS.nameLength,
  keyLength: 256,
  byLength: 256,
  reasonLength: 1024,
  /** So far below the end of bigint that no sum of a pool reaches it. */
  units: 1_000_000_000_000_000n,
  /** 90 days. What is held for longer is confirmed without an end. */
  ttlMs: 7_776_000_000,
} as const;

/** A request that cannot be meant, found before Postgres was asked. `field` is a path such as `ttlMs` or `pools[2].size`. */
export class CapacityRequestError extends Error {
  override name = 'CapacityRequestError';
  readonly field: string;

  constructor(field: string, message: string) {
    super(`${field}: ${message}`);
    this.field = field;
  }
}

const text = (maxLength: number, minLength = 1) =>
  z
    .string()
    .min(minLength, 'must not be empty')
    .max(maxLength, `must have at most ${maxLength} characters`)
    // Postgres cannot store NUL, and a broken surrogate would change on its way: two keys could become one.
    .refine((value) => !value.includes('\0') && value.isWellFormed(), 'must be well-formed text without NUL');

const poolId = text(CAPACITY_LIMITS.nameLength);
const tenantId = z.string().refine(isTenantId, 'must be the id of a tenant');
const key = text(CAPACITY_LIMITS.keyLength);
const by = text(CAPACITY_LIMITS.byLength);
const reason = text(CAPACITY_LIMITS.reasonLength, 0).default('');
const ttlMs = z
  .int('must be a whole number of milliseconds')
  .min(1, 'must be at least 1 ms')
  .max(CAPACITY_LIMITS.ttlMs, 'must be at most 90 days');
const number = z
  .bigint()
  .min(1n, 'must be at least 1')
  .max(2n ** 63n - 1n, 'must be below 2^63');

export const reserveRequest = z.strictObject({
  pool: poolId,
  tenantId,
  units: z
    .bigint()
    .min(1n, 'must be at least 1')
    .max(CAPACITY_LIMITS.units, `must be at most ${CAPACITY_LIMITS.units}`),
  key,
  ttlMs,
  by,
  reason,
});

const holding = { tenantId, reservationId: number, fencingToken: number, by, reason };

export const confirmRequest = z.strictObject({ ...holding, ttlMs: ttlMs.nullable() });
export const renewRequest = z.strictObject({ ...holding, key, ttlMs });
export const releaseRequest = z.strictObject(holding);

/** Who changes pools, and why. */
export const poolChange = z.strictObject({ by, reason });

const MAX_POOLS = 10_000;

export const poolList = z
  .array(
    z.strictObject({
      id: poolId,
      unit: text(CAPACITY_LIMITS.nameLength),
      size: z
        .bigint()
        .min(0n, 'must not be negative')
        .max(CAPACITY_LIMITS.units, `must be at most ${CAPACITY_LIMITS.units}`),
    }),
  )
  .max(MAX_POOLS, `must name at most ${MAX_POOLS} pools`);

/**
 * @param root stands before the path of what is wrong
 * @throws CapacityRequestError for the first field that is wrong
 */
export function checked<T>(schema: z.ZodType<T>, value: unknown, root = ''): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const path = (issue?.path ?? []).map((step) =>
    typeof step === 'number' ? `[${step}]` : `.${String(step)}`,
  );
  throw new CapacityRequestError(
    `${root}${path.join('')}`.replace(/^\./, ''),
    issue?.message ?? 'is not valid',
  );
}
