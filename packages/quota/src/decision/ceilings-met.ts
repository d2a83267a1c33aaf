/** The ceilings that a request meets, as decide() finds them: for whoever charges or shows them. */
import { timeBounds } from '../registry/validity.ts';
import type { Ceilings } from './ceilings.ts';
import type { Facts } from './decide.ts';
import type { DecisionRequest } from './request.ts';

const NONE: Ceilings = { active: [], lifted: [] };

export function ceilingsMet(
  { tenantId, usage }: Pick<DecisionRequest, 'tenantId' | 'usage'>,
  facts: Pick<Facts, 'policies' | 'usage' | 'now'>,
): Ceilings {
  const tenant = facts.policies.tenant(tenantId);
  if (usage === null || 'problem' in tenant) return NONE;
  const at = timeBounds(facts.now.wallMs, facts.usage.freshness(facts.now));
  return tenant.terms.ceilings(usage.metric, at);
}
