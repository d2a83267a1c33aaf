import type { OverrideDocument } from './documents.ts';

/** `acme/llm.tokens/day`: an override's id, unless another was given. */
export function overrideId({
  tenant,
  metric,
  period,
}: Pick<OverrideDocument, 'tenant' | 'metric' | 'period'>): string {
  // A tenant's id may have an @, a document's may not.
  return `${tenant.replaceAll('@', ':')}/${metric}/${period}`;
}
