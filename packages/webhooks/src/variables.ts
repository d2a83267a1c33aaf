/** Variables that are the same for whoever makes webhooks and for whoever delivers. */
import { z } from 'zod';
import { parseNetwork } from './target/networks.ts';

const list = z.string().transform((text) => text.split(',').map((part) => part.trim()));

const network = z.string().transform((text, context) => {
  try {
    return parseNetwork(text);
  } catch {
    context.addIssue({ code: 'custom', message: 'must be networks like 10.1.0.0/16, with commas between' });
    return z.NEVER;
  }
});

const isKey = (text: string): boolean => Buffer.from(text, 'base64').length === 32;

export const webhookVariables = {
  WEBHOOK_SECRET_KEY: list
    .pipe(z.array(z.string().refine(isKey, 'must be 32 bytes in base64')).min(1).max(8))
    .meta({
      description:
        'Key that the secrets of webhooks are sealed with, 32 bytes in base64. Of several the first seals.',
      secret: 'whole',
    }),
  WEBHOOK_ALLOWED_NETWORKS: list
    .pipe(z.array(network).max(64))
    .default([])
    .describe('Networks that webhooks may call although they are not public, and by plain HTTP: for tests.'),
};

/** Events of one webhook that are not delivered, at most. */
export const MAX_WAITING = 10_000;
/** How long a name may take to be resolved. */
export const RESOLVE_TIMEOUT_MS = 3_000;
