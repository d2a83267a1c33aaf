/**
 * What becomes of an event by the class of its tenant; the platform decides it, no service's code.
 * Caps are by class as well, and stand in the decision: internal is never denied for quota, at arm's
 * length a limit warns, and external is held to it.
 */
import * as z from 'zod';

const whole = (min: number, max: number) => z.int().min(min).max(max);
const metered = z.enum(['meter', 'meter_and_audit']).default('meter');

export const weightsOptions = z.strictObject({
  from: z
    .enum(['adapter', 'snapshots', 'postgres'])
    .default('adapter')
    .describe('Who knows the class of a tenant.'),
  internal: z
    .enum(['meter', 'meter_and_audit', 'audit', 'off'])
    .default('meter')
    .describe('Events of internal tenants: counted, logged, or neither.'),
  armsLength: metered.describe('Events of tenants at arm’s length: charged back, and logged.'),
  external: metered.describe('Events of external tenants.'),
  maxAgeMs: whole(1_000, 86_400_000).default(60_000).describe('How long a class is taken for granted.'),
  maxTenants: whole(1, 10_000_000).default(100_000).describe('Classes that are remembered at most.'),
});

export type WeightsOptions = z.output<typeof weightsOptions>;
