/**
 * A question in Cedar's words:
 *
 * - principal `Actor::"user/alice"` in `Role::"editor"` …, with attributes `type`, `id`, `scopes` (a set)
 * - action `Action::"invoke"`
 * - resource `Resource::"inference/endpoint"` in `Tenant::"acme-search"` in `Tenant::"acme"`, with
 *   attributes `product` and `type`
 * - context: the question's attributes, each a String
 */
import type { EntityJson, StatefulAuthorizationCall, TypeAndId } from '@cedar-policy/cedar-wasm/nodejs';
import type { PolicyQuestion } from '@meterhouse/quota';

export function authorizationCall(
  question: PolicyQuestion,
  slot: string,
  validated: boolean,
): StatefulAuthorizationCall {
  const { actor } = question;
  const principal = uid('Actor', pair(actor.type, actor.id));
  const resource = uid('Resource', pair(question.product, question.resourceType));
  return {
    principal,
    action: uid('Action', question.action),
    resource,
    context: question.attributes,
    preparsedPolicySetId: slot,
    ...(validated ? { preparsedSchemaName: slot, validateRequest: true } : {}),
    entities: [
      {
        uid: principal,
        attrs: { type: actor.type, id: actor.id, scopes: [...actor.scopes] },
        parents: actor.roles.map((role) => uid('Role', role)),
      },
      {
        uid: resource,
        attrs: { product: question.product, type: question.resourceType },
        parents: question.lineage.slice(-1).map((id) => uid('Tenant', id)),
      },
      ...tenants(question.lineage),
    ],
  };
}

function tenants(lineage: readonly string[]): EntityJson[] {
  return lineage.map((id, depth) => ({
    uid: uid('Tenant', id),
    attrs: {},
    parents: depth === 0 ? [] : lineage.slice(depth - 1, depth).map((parent) => uid('Tenant', parent)),
  }));
}

/** Divides in one way only, whatever the parts hold: the first has no `/` of its own left. */
function pair(first: string, second: string): string {
  return `${first.replaceAll('%', '%25').replaceAll('/', '%2F')}/${second}`;
}

function uid(type: string, id: string): TypeAndId {
  return { type, id };
}
