/**
 * A question in SpiceDB's words: has `user:alice` the permission `inference__endpoint__invoke` on
 * `tenant:acme-search`? The subtree is the schema's matter (`parent->…`). What relationships do not know
 * goes into the context of caveats: `roles`, `scopes`, `lineage`, `attributes`, `product`,
 * `resource_type`, `action`.
 */
import { v1 } from '@authzed/authzed-node';
import type { PolicyQuestion } from '@meterhouse/quota';
import { objectType, permission, spiceDbObjectId } from './names.ts';

export type ConsistencyWithoutToken = 'fully_consistent' | 'minimize_latency';

/** @returns null where the question has names that SpiceDB cannot have */
export function checkRequest(
  question: PolicyQuestion,
  tenantType: string,
  permissionName: string | null,
  consistency: v1.Consistency,
): v1.CheckPermissionRequest | null {
  const { actor } = question;
  const tenantId = spiceDbObjectId(question.lineage.at(-1) ?? '');
  const actorType = objectType(actor.type);
  const actorId = spiceDbObjectId(actor.id);
  const asked = permissionName === null ? null : permission(permissionName);
  if (tenantId === null || actorType === null || actorId === null || asked === null) return null;
  return v1.CheckPermissionRequest.create({
    consistency,
    resource: { objectType: tenantType, objectId: tenantId },
    permission: asked,
    subject: { object: { objectType: actorType, objectId: actorId } },
    context: v1.PbStruct.fromJson({
      roles: [...actor.roles],
      scopes: [...actor.scopes],
      lineage: [...question.lineage],
      attributes: question.attributes,
      product: question.product,
      resource_type: question.resourceType,
      action: question.action,
    }),
  });
}

/** @param zedToken of a write that the answer must know of; null when there is none */
export function consistencyOf(
  zedToken: string | null,
  withoutToken: ConsistencyWithoutToken,
): v1.Consistency {
  if (zedToken !== null)
    return { requirement: { oneofKind: 'atLeastAsFresh', atLeastAsFresh: { token: zedToken } } };
  return withoutToken === 'fully_consistent'
    ? { requirement: { oneofKind: 'fullyConsistent', fullyConsistent: true } }
    : { requirement: { oneofKind: 'minimizeLatency', minimizeLatency: true } };
}
