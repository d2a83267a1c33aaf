/** Options that may hold a secret, and how each way of configuring gives them. */
import { passwordsIn } from '@meterhouse/runtime';
import * as z from 'zod';

/**
 * Given to each `options.ts`, so that a secret is a text where the configuration is an object in
 * memory, and `{ env = "NAME" }` where it stands in a file.
 */
export interface SecretFields {
  /** A password or a key. */
  readonly text: z.ZodType<string>;
  /** A URL; only one without a password may stand in a file. */
  readonly url: z.ZodType<string>;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** In memory: whoever made the object knows where its secrets come from. */
export const IN_MEMORY: SecretFields = {
  text: z.string().min(1).meta({ secret: true }),
  url: z.url().meta({ secret: true }),
};

const reference = z.strictObject({ env: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/) });
const BY_REFERENCE = 'must not stand in a file: write { env = "NAME" } and set that variable';

/** In a file: by reference to a variable, which is looked up. */
export function fromFile(env: Environment): SecretFields {
  const looked = reference.transform(({ env: name }, context) => {
    const value = env[name];
    if (value !== undefined && value !== '') return value;
    context.addIssue({ code: 'custom', message: `the variable ${name} is not set` });
    return z.NEVER;
  });
  return { text: secretText(looked), url: secretUrl(looked.pipe(z.url('is not a URL'))) };
}

/** In a file, of a part that is not chosen: what it refers to need not be there. */
export function unresolved(): SecretFields {
  const kept = reference.transform(({ env }) => env);
  return { text: secretText(kept), url: secretUrl(kept) };
}

function secretText(looked: z.ZodType<string>): z.ZodType<string> {
  const plain = z.string().refine(() => false, BY_REFERENCE);
  return either(looked, plain).meta({ secret: true });
}

function secretUrl(looked: z.ZodType<string>): z.ZodType<string> {
  const plain = z
    .url()
    .refine((url) => !URL.canParse(url) || passwordsIn(url).length === 0, `with a password ${BY_REFERENCE}`);
  return either(looked, plain).meta({ secret: true });
}

/** Not a union: that would only say that neither fits. */
function either(looked: z.ZodType<string>, plain: z.ZodType<string>): z.ZodType<string> {
  return z.unknown().transform((given, context) => {
    const outcome = (typeof given === 'string' ? plain : looked).safeParse(given);
    if (outcome.success) return outcome.data;
    for (const { path, message } of outcome.error.issues)
      context.addIssue({ code: 'custom', path: [...path], message });
    return z.NEVER;
  });
}
