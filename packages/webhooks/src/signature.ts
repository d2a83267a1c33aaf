/** The headers of a message, as Standard Webhooks has them. */
import { Webhook } from 'standardwebhooks';

/**
 * @param at epoch ms of this attempt: receivers refuse what is older than a few minutes
 * @param secrets all that are good at the moment: while one is rotated, receivers may know either
 */
export function signedHeaders(
  id: string,
  at: number,
  body: string,
  secrets: readonly string[],
): Readonly<Record<'webhook-id' | 'webhook-timestamp' | 'webhook-signature', string>> {
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at / 1_000)),
    'webhook-signature': secrets.map((secret) => new Webhook(secret).sign(id, new Date(at), body)).join(' '),
  };
}
