import type { Billionths } from '@meterhouse/usage';
import type { Ceiling } from './ceilings.ts';

export type Outcome = 'allow' | 'deny' | 'warn';

/** Why. The order is the order in which decide() asks. */
export const REASONS = [
  'ok',
  'unknown_tenant',
  'tenant_suspended',
  'tenant_closed',
  'registry_incomplete',
  'policy_denied',
  'policy_unavailable',
  'missing_entitlement',
  'unknown_unit',
  'stale_snapshot',
  'quota_exhausted',
  'quota_warning',
  'quota_unavailable',
  'rate_limited',
  'rate_unavailable',
  'no_capacity',
  'capacity_unavailable',
] as const;
export type Reason = (typeof REASONS)[number];

/** One ceiling as it stood. Amounts in billionths. */
export interface QuotaCheck {
  readonly ceiling: Ceiling;
  /** What told the amounts: a snapshot, or the counter of a strict ceiling. */
  readonly toldBy: 'snapshot' | 'counter';
  /** Usage as of `asOf`. */
  readonly used: Billionths;
  /** Let through by this process since. */
  readonly pending: Billionths;
  /** What other processes can have used since, at the rate last seen. */
  readonly overshoot: Billionths;
  /** Of the ceiling, before the request; may be negative. */
  readonly remaining: Billionths;
  readonly asOf: number | null;
  readonly ageMs: number;
}

export interface Decision {
  readonly outcome: Outcome;
  readonly reason: Reason;
  /** Safe to show to whoever asked: names no scope, rule or amount of others. */
  readonly message: string;
  /** False where it would have been denied or warned, were the tenant not internal. */
  readonly enforced: boolean;
  /** The tightest ceiling that was met, if any. */
  readonly quota: QuotaCheck | null;
  /** Every ceiling that was looked at, from the request's scope upwards. */
  readonly checks: readonly QuotaCheck[];
  readonly entitledBy: string | null;
  readonly tier: string | null;
  readonly matchedRules: readonly string[];
  readonly evidence: {
    readonly registryVersion: bigint;
    readonly policyEngine: string;
    readonly policyVersion: string;
    /** Of the snapshots, epoch ms; null when none was heard. */
    readonly asOf: number | null;
    /** Never less than the true age; Infinity when nothing was heard. */
    readonly ageMs: number;
  };
  /** When asking again may help, in ms; null: not by waiting. */
  readonly retryAfterMs: number | null;
  readonly correlationId: string;
}
