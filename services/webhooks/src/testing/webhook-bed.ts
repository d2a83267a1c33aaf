/** A fresh database for one test, webhooks in it, and workers that deliver. */
import { randomBytes, randomUUID } from 'node:crypto';
import { withTenantScope } from '@meterhouse/postgres/access';
import { changeLogBed, type ChangeLogBed } from '@meterhouse/postgres/testing';
import {
  createWebhook,
  enqueueEvents,
  rotateWebhookSecret,
  type OutgoingEvent,
  type WebhookSettings,
} from '@meterhouse/postgres/webhooks';
import { createLogger, waitFor, type Logger } from '@meterhouse/runtime';
import { parseNetwork, SecretBox, secretText, systemResolve, type TargetRules } from '@meterhouse/webhooks';
import { onTestFinished } from 'vitest';
import { BOUNDS, type WebhookBounds } from '../bounds.ts';
import type { AttemptParts } from '../deliver/attempt.ts';
import { DeliveryWorker } from '../deliver/worker.ts';
import { outgoing } from '../outgoing.ts';

export const DEADLINE_MS = 45_000;

interface StoredDelivery {
  readonly id: string;
  readonly subscription_id: string;
  readonly event_type: string;
  readonly about_tenant: string;
  readonly state: string;
  readonly attempts: number;
  readonly last_status: number | null;
  readonly last_error: string | null;
  readonly body: string;
}

export interface Subscribed {
  readonly id: string;
  readonly secret: string;
}

export interface WebhookBed {
  readonly changeLog: ChangeLogBed;
  readonly logger: Logger;
  readonly sealingKey: string;
  readonly parts: AttemptParts;
  /** By the same statements as the API's, with its rights. */
  subscribe(url: string, settings?: Partial<WebhookSettings> & { tenantId?: string }): Promise<Subscribed>;
  rotate(webhook: Subscribed, overlapMs: number): Promise<string>;
  /** Puts pings into the outbox. @returns their ids */
  enqueue(webhook: Subscribed, count?: number): Promise<readonly string[]>;
  worker(overrides?: { bounds?: Partial<WebhookBounds>; target?: Partial<TargetRules> }): DeliveryWorker;
  deliveries(): Promise<readonly StoredDelivery[]>;
  /** Waits until as many deliveries as said are in each of these states, and in no other. */
  untilStates(states: Readonly<Record<string, number>>): Promise<readonly StoredDelivery[]>;
}

/** Tenants acme → search → team, and other. */
export async function webhookBed(): Promise<WebhookBed> {
  const changeLog = await changeLogBed();
  await changeLog.pool.query(
    `INSERT INTO meterhouse.tenants (id, name, parent)
     VALUES ('acme', 'Acme', NULL), ('search', 'Search', 'acme'), ('team', 'Team', 'search'), ('other', 'Other', NULL)`,
  );
  const logger = createLogger('test', process.env['LOG_LEVEL'] ?? 'silent');
  const sealingKey = randomBytes(32).toString('base64');
  const secrets = new SecretBox([sealingKey], randomBytes);
  const api = changeLog.poolAs('meterhouse_api');
  const parts: AttemptParts = {
    pool: changeLog.poolAs('meterhouse_webhooks'),
    secrets,
    target: {
      resolve: systemResolve,
      resolveTimeoutMs: 2_000,
      allowedNetworks: [parseNetwork('127.0.0.0/8')],
    },
    bounds: {
      ...BOUNDS,
      retryCeilingsMs: [20, 20, 20],
      pollMs: 20,
      circuit: { openAfterFailures: 1_000, openMs: 20, disableAfterMs: 3_600_000 },
    },
    now: Date.now,
    random: Math.random,
    newId: randomUUID,
    logger,
  };
  const deliveries = async (): Promise<readonly StoredDelivery[]> => {
    const { rows } = await changeLog.pool.query<StoredDelivery>(
      `SELECT id, subscription_id, event_type, about_tenant, state, attempts, last_status, last_error, body
       FROM meterhouse.webhook_deliveries ORDER BY seq`,
    );
    return rows;
  };
  return {
    ...{ changeLog, logger, sealingKey, parts, deliveries },
    subscribe: async (url, { tenantId = 'acme', ...settings } = {}) => {
      const [id, secret] = [randomUUID(), secretText(randomBytes(32))];
      await withTenantScope(api, tenantId, (client) =>
        createWebhook(
          client,
          {
            ...{ url, description: '', events: ['usage.threshold_reached'], metrics: null },
            ...{ thresholds: [80, 100], planThresholds: true, quietSeconds: 60 },
            ...settings,
            ...{ id, tenantId, sealedSecret: secrets.seal(id, secret), createdBy: 'test' },
          },
          100,
        ),
      );
      return { id, secret };
    },
    rotate: async ({ id }, overlapMs) => {
      const secret = secretText(randomBytes(32));
      await withTenantScope(api, 'acme', (client) =>
        rotateWebhookSecret(client, id, secrets.seal(id, secret), overlapMs),
      );
      return secret;
    },
    enqueue: async ({ id: subscriptionId }, count = 1) => {
      const events = Array.from({ length: count }, () => ping(subscriptionId));
      return (await enqueueEvents(parts.pool, events, parts.bounds.maxWaiting)).added;
    },
    worker: ({ bounds = {}, target = {} } = {}) => {
      const worker = new DeliveryWorker(
        { ...parts, bounds: { ...parts.bounds, ...bounds }, target: { ...parts.target, ...target } },
        (error) => {
          throw error;
        },
      );
      onTestFinished(() => worker.stop());
      return worker;
    },
    deliveries,
    untilStates: (states) => untilStates(deliveries, states),
  };
}

function ping(webhookId: string): OutgoingEvent {
  const id = randomUUID();
  const timestamp = new Date().toISOString();
  const data = { tenantId: 'acme', webhookId, asOf: timestamp };
  return outgoing(id, webhookId, { type: 'webhook.ping', timestamp, data }, [id]);
}

async function untilStates(
  deliveries: WebhookBed['deliveries'],
  states: Readonly<Record<string, number>>,
): Promise<readonly StoredDelivery[]> {
  let seen: Record<string, number> = {};
  const sorted = (of: Readonly<Record<string, number>>): string => JSON.stringify(Object.entries(of).sort());
  const all = async (): Promise<readonly StoredDelivery[] | undefined> => {
    const rows = await deliveries();
    seen = Object.fromEntries(
      [...Map.groupBy(rows, ({ state }) => state)].map(([state, of]) => [state, of.length]),
    );
    return sorted(seen) === sorted(states) ? rows : undefined;
  };
  return waitFor(`deliveries ${JSON.stringify(states)}`, all, { deadlineMs: DEADLINE_MS }).catch(
    (error: unknown) => {
      throw new Error(`last seen: ${JSON.stringify(seen)}`, { cause: error });
    },
  );
}
