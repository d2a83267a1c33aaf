/** Options that may hold a secret. */
import * as z from 'zod';

/**
 * Given to each `options.ts`, so that a secret is a text where the configuration is an object in
 * memory, and `{ env = "NAME" }` where it stands in a file.
 */
export interface SecretFields {
  /** A password or a key. */
  readonly text: z.ZodType<string, string>;
  /** A URL that may hold a password. */
  readonly url: z.ZodType<string, string>;
}

/** In memory: whoever made the object knows where its secrets come from. */
export const IN_MEMORY: SecretFields = { text: z.string().min(1), url: z.url() };
