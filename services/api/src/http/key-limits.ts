/** How often one key may ask: by our own limiter, over all processes where it stands on Redis. */
import { createHash } from 'node:crypto';
import type { RateLimiter, RateRule } from '@meterhouse/rate-limit';
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Principal } from '../access/roles.ts';
import { ApiProblem } from './problem.ts';

export interface KeyLimits {
  readonly limiter: RateLimiter;
  /** For each key or token on its own. */
  readonly rule: RateRule;
}

/** The limiter's tree of tenants has no place for keys; each is a root of its own. */
const ROUTE = 'api';

export function limitKeys(app: FastifyInstance, { limiter, rule }: KeyLimits): void {
  app.addHook('onRequest', async (request, reply) => {
    const { principal } = request;
    if (principal === null) return;
    const id = counterOf(principal);
    const answer = await limiter.charge([{ tenantId: id, route: ROUTE, rule, cost: 1 }], { rootId: id });
    switch (answer.outcome) {
      case 'admitted':
        describeRate(reply, rule, answer.rates[0]);
        return;
      case 'limited':
        throw new ApiProblem('rate_limited', 'This key asks more often than it may.', {
          retryAfterSeconds: seconds(answer.tightest.retryAfterMs ?? rule.periodMs),
        });
      case 'unavailable':
        throw new ApiProblem('unavailable', 'The rate limiter does not answer at the moment.', {
          retryAfterSeconds: seconds(answer.retryAfterMs),
        });
    }
  });
}

/** A token's subject may be any text, and a counter's name may not. */
function counterOf({ type, id }: Principal): string {
  return `${type}:${createHash('sha256').update(id).digest('hex').slice(0, 32)}`;
}

/** The fields of draft-ietf-httpapi-ratelimit-headers. */
function describeRate(
  reply: FastifyReply,
  rule: RateRule,
  rate: { readonly remaining: number; readonly resetMs: number } | undefined,
): void {
  if (rate === undefined) return;
  reply.header('RateLimit-Policy', `"${rule.id}";q=${rule.limit};w=${seconds(rule.periodMs)}`);
  reply.header('RateLimit', `"${rule.id}";r=${Math.max(0, rate.remaining)};t=${seconds(rate.resetMs)}`);
}

function seconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1_000));
}
