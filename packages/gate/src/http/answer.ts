/**
 * A decision as an HTTP answer: `application/problem+json` (RFC 9457), Retry-After, and the RateLimit
 * fields of draft-ietf-httpapi-ratelimit-headers. Nothing here names scopes or rules of others.
 */
import { formatDecimal, type Billionths } from '@meterhouse/usage';
import type { Decision, Reason } from '@meterhouse/quota';
import type { RateAnswer } from '@meterhouse/rate-limit';
import type { Admission } from '../gate.ts';

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Null where the request goes on. */
  readonly problem: Problem | null;
}

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** Stable: what a client's code may look at. */
  readonly code: Reason;
  readonly correlationId: string;
  readonly retryAfterSeconds?: number;
}

const STATUS: Readonly<Record<Reason, 200 | 403 | 429 | 503>> = {
  ok: 200,
  quota_warning: 200,
  unknown_tenant: 403,
  tenant_suspended: 403,
  tenant_closed: 403,
  policy_denied: 403,
  missing_entitlement: 403,
  unknown_unit: 403,
  quota_exhausted: 429,
  rate_limited: 429,
  registry_incomplete: 503,
  policy_unavailable: 503,
  stale_snapshot: 503,
  quota_unavailable: 503,
  rate_unavailable: 503,
  no_capacity: 503,
  capacity_unavailable: 503,
};
const TITLES = {
  200: 'Allowed',
  403: 'Forbidden',
  429: 'Too Many Requests',
  503: 'Service Unavailable',
} as const;
/** A client that is told nothing comes again at once; so it is told this. */
const DEFAULT_RETRY_SECONDS = 5;

export function httpAnswer({
  decision,
  admitted,
  rate,
}: Pick<Admission, 'decision' | 'admitted' | 'rate'>): HttpAnswer {
  const headers = {
    ...rateLimitFields(rate, decision),
    'X-Correlation-Id': headerText(decision.correlationId),
  };
  if (admitted) {
    if (decision.outcome !== 'warn') return { status: 200, headers, problem: null };
    return { status: 200, headers: { ...headers, 'Quota-Warning': decision.reason }, problem: null };
  }
  const status = STATUS[decision.reason];
  const retryAfterSeconds = retryAfter(status, decision.retryAfterMs);
  return {
    status,
    headers: {
      ...headers,
      'Content-Type': 'application/problem+json',
      'Cache-Control': 'no-store',
      ...(retryAfterSeconds === null ? {} : { 'Retry-After': `${retryAfterSeconds}` }),
    },
    problem: {
      type: `urn:meterhouse:problem:${decision.reason}`,
      title: TITLES[status],
      status,
      detail: decision.message,
      code: decision.reason,
      correlationId: decision.correlationId,
      ...(retryAfterSeconds === null ? {} : { retryAfterSeconds }),
    },
  };
}

function retryAfter(status: number, ms: number | null): number | null {
  if (status !== 429 && status !== 503) return null;
  return ms === null ? DEFAULT_RETRY_SECONDS : Math.max(1, Math.ceil(ms / 1_000));
}

interface Field {
  readonly name: string;
  readonly quota: string;
  readonly windowSeconds: number | null;
  readonly remaining: string;
  readonly resetSeconds: number;
}

/** One entry each for the rates that were charged and for the tightest quota. */
function rateLimitFields(rate: RateAnswer | null, decision: Decision): Record<string, string> {
  const fields = [...rateFields(rate), ...quotaField(decision)];
  if (fields.length === 0) return {};
  return {
    'RateLimit-Policy': fields
      .map(
        ({ name, quota, windowSeconds }) =>
          `"${name}";q=${quota}${windowSeconds === null ? '' : `;w=${windowSeconds}`}`,
      )
      .join(', '),
    RateLimit: fields
      .map(({ name, remaining, resetSeconds }) => `"${name}";r=${remaining};t=${resetSeconds}`)
      .join(', '),
  };
}

function rateFields(rate: RateAnswer | null): Field[] {
  if (rate === null || rate.outcome === 'unavailable') return [];
  return rate.rates.map(({ rule, limit, remaining, resetMs }) => ({
    name: rule.id,
    quota: `${limit}`,
    windowSeconds: Math.ceil(rule.periodMs / 1_000),
    remaining: `${Math.max(0, remaining)}`,
    resetSeconds: Math.ceil(resetMs / 1_000),
  }));
}

function quotaField({ quota, retryAfterMs }: Decision): Field[] {
  if (quota === null || retryAfterMs === null) return [];
  const { metric, period, value } = quota.ceiling;
  return [
    {
      name: `${metric}-${period}`,
      quota: whole(value),
      windowSeconds: null,
      remaining: whole(quota.remaining),
      resetSeconds: Math.ceil(retryAfterMs / 1_000),
    },
  ];
}

/** Structured fields hold whole numbers of at most 15 digits. */
function whole(amount: Billionths): string {
  const [integer = '0'] = formatDecimal(amount < 0n ? 0n : amount).split('.');
  return integer.length > 15 ? '999999999999999' : integer;
}

/** A correlation id that a caller chose must not end the header. */
function headerText(text: string): string {
  return text.replaceAll(/[^\x21-\x7e]/g, '_');
}
