import type { StoredDocument } from '@meterhouse/postgres';
import { PolicySet, type DocumentChange } from '@meterhouse/quota';

/** The registry as decide() would ask it, with changes that nobody wrote laid over it. */
export function policyOf(
  now: { readonly version: bigint; readonly documents: readonly StoredDocument[] },
  laidOver: readonly DocumentChange[] = [],
): PolicySet {
  const policy = new PolicySet();
  for (const document of now.documents) policy.stage(document);
  for (const { kind, id, after } of laidOver) policy.stage({ kind, id, version: now.version, body: after });
  policy.complete(now.version);
  return policy;
}
