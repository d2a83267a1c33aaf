/** From what was noticed to a row of the outbox. */
import { createHash } from 'node:crypto';
import type { OutgoingEvent } from '@meterhouse/postgres/webhooks';
import { bodyOf, type WebhookEvent } from '@meterhouse/webhooks';

/**
 * @param identity what makes it this event and no other, the same for whoever notices it
 * @param kept never forgotten while the subscription is there
 */
export function outgoing(
  id: string,
  subscriptionId: string,
  event: WebhookEvent,
  identity: readonly (string | number)[],
  { kept = false }: { readonly kept?: boolean } = {},
): OutgoingEvent {
  return {
    id,
    subscriptionId,
    aboutTenant: event.data.tenantId,
    eventKey: eventKey(event.type, identity),
    eventType: event.type,
    occurredAt: Date.parse(event.timestamp),
    body: bodyOf(event),
    kept,
  };
}

/** Of one length, whatever the names in it. */
export function eventKey(type: string, identity: readonly (string | number)[]): string {
  return `${type}:${createHash('sha256').update(JSON.stringify(identity)).digest('hex')}`;
}
