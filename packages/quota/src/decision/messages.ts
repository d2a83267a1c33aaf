import type { Reason } from './decision.ts';

/** For whoever asked: says what to do, and nothing about other scopes, rules or amounts. */
export const MESSAGES: Readonly<Record<Reason, string>> = {
  ok: 'Allowed.',
  unknown_tenant: 'This account is not known here.',
  tenant_suspended: 'This account is suspended. Ask its administrator.',
  tenant_closed: 'This account is closed.',
  registry_incomplete: 'The limits of this account cannot be read at the moment. Ask its administrator.',
  policy_denied: 'You may not do this.',
  policy_unavailable: 'It cannot be found out at the moment whether you may do this. Try again.',
  missing_entitlement: 'This account is not entitled to it. Ask its administrator.',
  unknown_unit: 'This product does not offer what was asked for.',
  stale_snapshot: 'Current usage is not known well enough at the moment. Try again.',
  quota_exhausted: 'The quota of this account is used up.',
  quota_warning: 'The quota of this account is nearly used up.',
  quota_unavailable: 'How much of the quota is left cannot be found out at the moment. Try again.',
  rate_limited: 'Too many requests. Slow down and try again.',
  rate_unavailable: 'The rate of requests cannot be checked at the moment. Try again.',
  no_capacity: 'There is no capacity left at the moment. Try again later.',
  capacity_unavailable: 'Capacity cannot be reserved at the moment. Try again.',
};
