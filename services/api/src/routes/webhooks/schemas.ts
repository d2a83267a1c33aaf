/** What requests and answers about webhooks look like. */
import type { DeliveryRow, WebhookRow } from '@meterhouse/postgres/webhooks';
import { DELIVERY_STATES } from '@meterhouse/postgres/webhooks';
import { isMetricName, isTenantId } from '@meterhouse/usage';
import { EVENT_TYPES, MAX_URL_LENGTH, SUBSCRIBABLE } from '@meterhouse/webhooks';
import { z } from 'zod';
import { nextCursor, pageQuery } from '../../http/cursor.ts';

const instant = z.iso.datetime({ offset: true });
const answeredInstant = z.iso.datetime({ precision: 3 });
const tenantId = z
  .string()
  .refine(isTenantId, 'must be the id of a tenant')
  .describe('The tenant that it is of, with all below it. The key’s own by default.');

const distinct = (list: readonly unknown[]): boolean => new Set(list).size === list.length;
const url = z.string().min(1).max(MAX_URL_LENGTH).describe('https, and on public addresses only.');
const description = z
  .string()
  .max(256)
  .refine((text) => !text.includes('\0') && text.isWellFormed(), 'must be text without NUL');
const events = z
  .array(z.enum(SUBSCRIBABLE))
  .min(1)
  .max(SUBSCRIBABLE.length)
  .refine(distinct, 'names one twice');
const metrics = z
  .array(z.string().refine(isMetricName, 'must be the name of a metric'))
  .min(1)
  .max(100)
  .refine(distinct, 'names one twice')
  .nullable()
  .describe('Only of these; null: all.');
const thresholds = z
  .array(z.int().min(1).max(1_000))
  .max(20)
  .refine(distinct, 'names one twice')
  .describe('Percent of a tenant’s limit in force, told once each in a period.');
const planThresholds = z.boolean().describe('Also the thresholds of the plans (`warnAt`).');
const quietSeconds = z
  .int()
  .min(0)
  .max(86_400)
  .describe('Decisions alike are told once in a window of so many seconds; 0: each of them.');

export const newWebhookBody = z
  .strictObject({
    tenantId: tenantId.optional(),
    url,
    description: description.default(''),
    events,
    metrics: metrics.default(null),
    thresholds: thresholds.default([80, 100]),
    planThresholds: planThresholds.default(true),
    quietSeconds: quietSeconds.default(60),
  })
  .meta({ id: 'NewWebhook' });

export const webhookChangeBody = z
  .strictObject({
    url,
    description,
    events,
    metrics,
    thresholds,
    planThresholds,
    quietSeconds,
    enabled: z
      .boolean()
      .describe('Enabling forgets that it failed; what is dead is replayed on request only.'),
  })
  .partial()
  .meta({ id: 'WebhookChange' });

export const rotationBody = z
  .strictObject({
    overlapSeconds: z
      .int()
      .min(0)
      .max(7 * 86_400)
      .default(86_400)
      .describe('How long messages are signed with the old secret too.'),
  })
  .meta({ id: 'WebhookSecretRotation' });

export const replayBody = z
  .strictObject({
    from: instant.describe('Of when they were made; in.'),
    to: instant.describe('Out.'),
    states: z
      .array(z.enum(['dead', 'delivered']))
      .min(1)
      .max(2)
      .default(['dead']),
    cursor: pageQuery.cursor,
  })
  .meta({ id: 'WebhookReplay' });

export const tenantQuery = z.object({ tenantId: tenantId.optional() });
export const listQuery = tenantQuery.extend(pageQuery);
export const deliveriesQuery = listQuery.extend({
  state: z.enum(DELIVERY_STATES).optional().describe('`dead` are the dead letters.'),
  from: instant.optional(),
  to: instant.optional(),
});
export const webhookParams = z.object({ id: z.uuid() });
export const deliveryParams = webhookParams.extend({ deliveryId: z.uuid() });

export const webhookAnswer = z
  .object({
    id: z.uuid(),
    tenantId: z.string(),
    url: z.string(),
    description: z.string(),
    events: z.array(z.string()),
    metrics: z.array(z.string()).nullable(),
    thresholds: z.array(z.int()),
    planThresholds: z.boolean(),
    quietSeconds: z.int(),
    enabled: z.boolean(),
    disabledReason: z
      .enum(['asked', 'failing', 'gone'])
      .nullable()
      .describe('`failing`: for days. `gone`: it answered 410.'),
    disabledAt: answeredInstant.nullable(),
    previousSecretValidUntil: answeredInstant.nullable(),
    failures: z.int().describe('In a row.'),
    failingSince: answeredInstant.nullable(),
    pausedUntil: answeredInstant.nullable().describe('It failed too often: nothing is sent before.'),
    fullSince: answeredInstant.nullable().describe('As much waits as may: new events find no room.'),
    lastSuccessAt: answeredInstant.nullable(),
    lastError: z.string().nullable(),
    createdAt: answeredInstant,
    createdBy: z.string(),
    changedAt: answeredInstant,
  })
  .meta({ id: 'Webhook' });

export const secretAnswer = z
  .object({
    webhook: webhookAnswer,
    secret: z.string().describe('`whsec_…`. Shown this once.'),
  })
  .meta({ id: 'WebhookWithSecret' });

export const webhooksAnswer = z
  .object({ webhooks: z.array(webhookAnswer), nextCursor })
  .meta({ id: 'Webhooks' });

const deliveryAnswer = z
  .object({
    id: z.uuid().describe('`webhook-id` of the message.'),
    tenantId: z.string().describe('That the event is about.'),
    type: z.enum(EVENT_TYPES),
    occurredAt: answeredInstant,
    createdAt: answeredInstant,
    state: z.enum(DELIVERY_STATES),
    attempts: z.int(),
    replays: z.int(),
    nextAttemptAt: answeredInstant.nullable(),
    lastAttemptAt: answeredInstant.nullable(),
    lastStatus: z.int().nullable(),
    lastError: z.string().nullable(),
    endedAt: answeredInstant.nullable(),
    body: z.string().describe('As it is sent: a `WebhookEvent`.'),
  })
  .meta({ id: 'WebhookDelivery' });

export const deliveriesAnswer = z
  .object({ deliveries: z.array(deliveryAnswer), nextCursor })
  .meta({ id: 'WebhookDeliveries' });

export const pingAnswer = z.object({ deliveryId: z.uuid() }).meta({ id: 'WebhookPinged' });
export const replayAnswer = z
  .object({
    replayed: z.int(),
    nextCursor: nextCursor.describe('Null: all of it is on its way. Else ask again with it.'),
  })
  .meta({ id: 'WebhookReplayed' });

export function toWebhookAnswer(row: WebhookRow): z.input<typeof webhookAnswer> {
  return {
    id: row.id,
    tenantId: row.tenantId,
    url: row.url,
    description: row.description,
    events: [...row.events],
    metrics: row.metrics === null ? null : [...row.metrics],
    thresholds: [...row.thresholds],
    planThresholds: row.planThresholds,
    quietSeconds: row.quietSeconds,
    enabled: row.enabled,
    disabledReason: row.disabledReason,
    disabledAt: text(row.disabledAt),
    previousSecretValidUntil: text(row.previousSecretValidUntil),
    failures: row.failures,
    failingSince: text(row.failingSince),
    pausedUntil: text(row.pausedUntil),
    fullSince: text(row.fullSince),
    lastSuccessAt: text(row.lastSuccessAt),
    lastError: row.lastError,
    createdAt: new Date(row.createdAt).toISOString(),
    createdBy: row.createdBy,
    changedAt: new Date(row.changedAt).toISOString(),
  };
}

export function toDeliveryAnswer(row: DeliveryRow): z.input<typeof deliveryAnswer> {
  return {
    id: row.id,
    tenantId: row.aboutTenant,
    type: z.enum(EVENT_TYPES).parse(row.eventType),
    occurredAt: new Date(row.occurredAt).toISOString(),
    createdAt: new Date(row.createdAt).toISOString(),
    state: row.state,
    attempts: row.attempts,
    replays: row.replays,
    nextAttemptAt: text(row.nextAttemptAt),
    lastAttemptAt: text(row.lastAttemptAt),
    lastStatus: row.lastStatus,
    lastError: row.lastError,
    endedAt: text(row.endedAt),
    body: row.body,
  };
}

function text(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
