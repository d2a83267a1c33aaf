/** What the routes about webhooks need, out of the configuration. */
import { randomBytes } from 'node:crypto';
import {
  MAX_WAITING,
  RESOLVE_TIMEOUT_MS,
  SecretBox,
  systemResolve,
  type Network,
} from '@meterhouse/webhooks';
import type { Stores } from '../../stores.ts';
import type { WebhookParts } from './parts.ts';

interface WebhookVariables {
  readonly WEBHOOK_SECRET_KEY?: readonly string[] | undefined;
  readonly WEBHOOK_ALLOWED_NETWORKS: readonly Network[];
  readonly WEBHOOKS_PER_TENANT: number;
}

export function configuredWebhooks(
  config: WebhookVariables,
  { scoped }: Pick<Stores, 'scoped'>,
): WebhookParts['webhooks'] {
  const keys = config.WEBHOOK_SECRET_KEY;
  return {
    scoped,
    secrets: keys === undefined ? null : new SecretBox(keys, randomBytes),
    randomBytes,
    now: Date.now,
    target: {
      resolve: systemResolve,
      resolveTimeoutMs: RESOLVE_TIMEOUT_MS,
      allowedNetworks: config.WEBHOOK_ALLOWED_NETWORKS,
    },
    maxPerTenant: config.WEBHOOKS_PER_TENANT,
    maxWaiting: MAX_WAITING,
  };
}
