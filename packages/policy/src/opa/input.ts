import type { PolicyQuestion } from '@meterhouse/quota';

/** What a policy sees as `input`: the question, and nothing that hangs on its object besides. */
export function opaInput(question: PolicyQuestion): PolicyQuestion {
  const { actor, lineage, product, resourceType, action, attributes } = question;
  return {
    actor: { type: actor.type, id: actor.id, roles: actor.roles, scopes: actor.scopes },
    lineage,
    product,
    resourceType,
    action,
    attributes,
  };
}
