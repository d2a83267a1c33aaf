/** One attempt at one delivery, from the lease to the note of how it went. */
import type { Pool, PoolClient } from '@meterhouse/postgres';
import {
  enqueueEvents,
  noteDelivered,
  noteFailed,
  readLineages,
  readWatchers,
  type DisabledWebhook,
  type LeasedDelivery,
} from '@meterhouse/postgres/webhooks';
import type { Logger } from '@meterhouse/runtime';
import {
  instantText,
  send,
  signedHeaders,
  UnsealableError,
  type SecretBox,
  type Sent,
  type TargetRules,
} from '@meterhouse/webhooks';
import type { WebhookBounds } from '../bounds.ts';
import { outgoing } from '../outgoing.ts';
import { retryInMs } from './retry.ts';

export interface AttemptParts {
  /** As role meterhouse_webhooks. */
  readonly pool: Pool;
  readonly secrets: SecretBox;
  readonly target: TargetRules;
  readonly bounds: WebhookBounds;
  /** Epoch ms. */
  readonly now: () => number;
  readonly random: () => number;
  readonly newId: () => string;
  readonly logger: Logger;
  /** Told how each attempt went. */
  readonly attempted?: (outcome: Attempted) => void;
}

export type Attempted = 'delivered' | 'failed' | 'dead';

/** @throws what Postgres throws: then nothing was noted, and the delivery is sent again when its lease is over */
export async function attempt(delivery: LeasedDelivery, parts: AttemptParts): Promise<Attempted> {
  const { pool, bounds, random, logger } = parts;
  const sent = await sendSigned(delivery, parts);
  const about = { delivery: delivery.id, webhook: delivery.subscriptionId, attempt: delivery.attempts };
  if (sent.outcome === 'accepted') {
    await noteDelivered(pool, delivery, sent.status);
    logger.debug({ ...about, status: sent.status }, 'delivered');
    return 'delivered';
  }
  const failed =
    sent.outcome === 'gone'
      ? { status: sent.status, error: 'answered 410: gone', retryInMs: null, gone: true }
      : {
          status: sent.status,
          error: sent.error,
          retryInMs: retryInMs(delivery.attempts, sent.retryAfterMs, bounds.retryCeilingsMs, random),
          gone: false,
        };
  const disabled = await noteFailed(pool, delivery, failed, bounds.circuit, (client, gone) =>
    tellOthers(client, gone, parts),
  );
  logger.warn(
    { ...about, ...failed },
    failed.retryInMs === null ? 'a delivery is dead' : 'a delivery failed',
  );
  if (disabled !== null)
    logger.error(
      { webhook: disabled.subscriptionId, reason: disabled.reason, ended: disabled.ended },
      'a webhook was disabled: see docs/runbooks/webhooks-failing.md',
    );
  return failed.retryInMs === null ? 'dead' : 'failed';
}

async function sendSigned(delivery: LeasedDelivery, parts: AttemptParts): Promise<Sent> {
  const { secrets, target, bounds, now, logger } = parts;
  const { subscriptionId, sealedSecret, previousSealedSecret } = delivery;
  const sealed = previousSealedSecret === null ? [sealedSecret] : [sealedSecret, previousSealedSecret];
  let opened: string[];
  try {
    opened = sealed.map((each) => secrets.open(subscriptionId, each));
  } catch (error) {
    if (!(error instanceof UnsealableError)) throw error;
    // The key of the configuration is not the one that it was sealed with: a person has to see to that.
    logger.error({ err: error, webhook: subscriptionId }, 'a webhook cannot be signed for');
    return { outcome: 'failed', status: null, error: 'its secret cannot be opened', retryAfterMs: null };
  }
  const headers = signedHeaders(delivery.id, now(), delivery.body, opened);
  return send(delivery.url, delivery.body, headers, target, bounds.send);
}

/** Whoever asked to hear of webhooks that end, at the tenant or above it. */
async function tellOthers(
  client: PoolClient,
  disabled: DisabledWebhook,
  { newId, now, bounds }: AttemptParts,
): Promise<void> {
  const lineage = (await readLineages(client, [disabled.tenantId])).get(disabled.tenantId) ?? [];
  const watchers = (await readWatchers(client, ['webhook.disabled'])).filter(
    ({ subscriptionId, tenantId }) =>
      subscriptionId !== disabled.subscriptionId && lineage.includes(tenantId),
  );
  const at = now();
  const events = watchers.map(({ subscriptionId }) =>
    outgoing(
      newId(),
      subscriptionId,
      {
        type: 'webhook.disabled',
        timestamp: instantText(at),
        data: {
          tenantId: disabled.tenantId,
          webhookId: disabled.subscriptionId,
          url: disabled.url,
          reason: disabled.reason,
          failingSince: disabled.failingSince === null ? null : instantText(disabled.failingSince),
          lastError: disabled.lastError,
          asOf: instantText(at),
        },
      },
      [disabled.subscriptionId, at],
    ),
  );
  await enqueueEvents(client, events, bounds.maxWaiting);
}
