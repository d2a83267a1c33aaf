/**
 * Names of the counters. What one call charges must lie in one slot of a Redis cluster, so the hash tag
 * is the root of the lineage; a hot root's shards have tags of their own.
 *
 *     rate:{root}:tenant:route:rule     token buckets
 *     sw:{root}:tenant:route:rule       sliding windows
 *     q:{root}:tenant:metric:YYYYMMDD   strict quotas; the store adds the day
 *     qr:{root}:refund                  a charge of strict quotas that was given back
 *     cc:{root}:tenant:limit            leases of a concurrency limit
 */
import type { RateRule } from './rule.ts';

/** Strict quotas and small rules live in shard 0, whose tag is that of a root without shards. */
export function rateKey(
  place: { readonly prefix: string; readonly rootId: string; readonly shard: number },
  tenantId: string,
  route: string,
  rule: RateRule,
): string {
  const kind = rule.algorithm === 'token_bucket' ? 'rate' : 'sw';
  const tag = place.shard === 0 ? place.rootId : `${place.rootId}#${place.shard}`;
  return `${place.prefix}${kind}:{${tag}}:${escaped(tenantId)}:${escaped(route)}:${rule.id}`;
}

export function quotaKey(prefix: string, rootId: string, tenantId: string, metric: string): string {
  return `${prefix}q:{${rootId}}:${escaped(tenantId)}:${metric}`;
}

export function refundKey(prefix: string, rootId: string, refundId: string): string {
  return `${prefix}qr:{${rootId}}:${escaped(refundId)}`;
}

export function leaseKey(prefix: string, rootId: string, tenantId: string, limitId: string): string {
  return `${prefix}cc:{${rootId}}:${escaped(tenantId)}:${limitId}`;
}

/** A colon inside a part would make two different charges one counter. */
function escaped(part: string): string {
  return part.replaceAll('%', '%25').replaceAll(':', '%3A');
}
