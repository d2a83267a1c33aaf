/**
 * What a webhook tells. The body of a message is `{type, timestamp, data}`, as Standard Webhooks has it;
 * its id is the header `webhook-id`. Amounts are decimal strings, instants RFC 3339 in UTC.
 */
import { z } from 'zod';

export const EVENT_TYPES = [
  'usage.threshold_reached',
  'quota.denied',
  'quota.warned',
  'webhook.disabled',
  'webhook.ping',
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** What can be asked for; a ping is sent when somebody asks for one. */
export const SUBSCRIBABLE = [
  'usage.threshold_reached',
  'quota.denied',
  'quota.warned',
  'webhook.disabled',
] as const satisfies readonly EventType[];
export type SubscribableType = (typeof SUBSCRIBABLE)[number];

const instant = z.iso.datetime({ precision: 3 });
const amount = z
  .string()
  .regex(/^-?[0-9]{1,60}(\.[0-9]{1,9})?$/)
  .describe('Decimal.');
const period = z
  .enum(['hour', 'day', 'month', 'total'])
  .describe('By the calendar of the tenant’s root; `total`: everything ever counted.');
const asOf = instant.nullable().describe('Everything that was sent before it is in; null: not known.');

const limit = z.object({
  value: amount,
  mode: z.enum(['hard', 'soft']),
  source: z.string().describe('`plan:` or `override:` and its id.'),
});

const thresholdReached = z
  .object({
    tenantId: z.string(),
    metric: z.string(),
    unit: z.string(),
    period,
    periodStart: instant.nullable().describe('Null for `total`.'),
    periodEnd: instant.nullable().describe('Null for `total`.'),
    thresholdPercent: z.int().describe('Of the limit in force.'),
    used: amount.describe('By the tenant and all below it, when it was noticed.'),
    limit,
    asOf,
    final: z.boolean().describe('It was noticed after the end of the period.'),
    late: z
      .boolean()
      .describe('It was reached by events that came when the period was over and had been looked at.'),
  })
  .meta({ id: 'WebhookUsageThresholdReached' });

const quotaDecision = z
  .object({
    tenantId: z.string(),
    decisionId: z.string(),
    correlationId: z.string(),
    outcome: z.enum(['deny', 'warn']),
    reason: z.string(),
    enforced: z.boolean(),
    product: z.string(),
    resourceType: z.string(),
    action: z.string(),
    ceiling: z
      .object({
        scope: z.string(),
        metric: z.string(),
        period,
        value: amount,
        used: amount,
        remaining: amount,
      })
      .nullable()
      .describe('The tightest ceiling that was met, where it is of this webhook’s tenants.'),
    asOf,
    quietSeconds: z
      .int()
      .describe(
        'Others alike are not told before this many seconds, counted from the full minute or hour, are over.',
      ),
  })
  .meta({ id: 'WebhookQuotaDecision' });

const webhookDisabled = z
  .object({
    tenantId: z.string(),
    webhookId: z.string(),
    url: z.string(),
    reason: z.enum(['failing', 'gone']),
    failingSince: instant.nullable(),
    lastError: z.string().nullable(),
    asOf,
  })
  .meta({ id: 'WebhookDisabled' });

const ping = z.object({ tenantId: z.string(), webhookId: z.string(), asOf }).meta({ id: 'WebhookPing' });

const event = <T extends EventType, D extends z.ZodType>(type: T, data: D) =>
  z.object({ type: z.literal(type), timestamp: instant.describe('When it happened.'), data });

export const webhookEvent = z
  .discriminatedUnion('type', [
    event('usage.threshold_reached', thresholdReached),
    event('quota.denied', quotaDecision),
    event('quota.warned', quotaDecision),
    event('webhook.disabled', webhookDisabled),
    event('webhook.ping', ping),
  ])
  .meta({ id: 'WebhookEvent' });
export type WebhookEvent = z.infer<typeof webhookEvent>;

/** The bytes that are signed and sent, at every attempt the same. */
export function bodyOf(of: WebhookEvent): string {
  return JSON.stringify(of);
}

/** Epoch ms as events say it. */
export function instantText(ms: number): string {
  return new Date(ms).toISOString();
}
