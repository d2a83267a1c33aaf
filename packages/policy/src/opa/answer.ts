/** What a policy's entrypoint may come to. */
import { z } from 'zod';

const named = z.object({
  allow: z.boolean(),
  /** Ids of the rules that decided. */
  rules: z.array(z.string().min(1).max(256)).max(1000).default([]),
});

const answer = z.union([z.boolean().transform((allow) => ({ allow, rules: [] })), named]);

export interface OpaAnswer {
  readonly allow: boolean;
  readonly rules: readonly string[];
}

/**
 * Nothing is undefined as far as OPA is concerned: a wrong path, a policy that is not loaded and one
 * without a default all look the same, so none of them counts as an answer.
 * @returns null for anything but a boolean or `{ allow, rules }`
 */
export function readOpaAnswer(result: unknown): OpaAnswer | null {
  const read = answer.safeParse(result);
  return read.success ? { allow: read.data.allow, rules: read.data.rules } : null;
}
