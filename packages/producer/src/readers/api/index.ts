/** Asks the HTTP API: usage by `/v1/usage`, decisions by `/v1/decide`. Node's own client is enough for both. */
import { QUOTA_PERIODS, REASONS } from '@meterhouse/quota';
import * as z from 'zod';
import type { OpenReader, Reader } from '../../adapter.ts';
import type { AskedUsage, UsageReading } from '../../usage-question.ts';
import type { ApiOptions } from './options.ts';
import { createApiClient, type AskApi } from './client.ts';

const amount = z.string().nullable();
const decision = z.object({
  outcome: z.enum(['allow', 'deny', 'warn']),
  reason: z.enum(REASONS),
  message: z.string(),
  enforced: z.boolean(),
  tenantId: z.string(),
  ceiling: z
    .object({
      scope: amount,
      metric: z.string(),
      period: z.enum(QUOTA_PERIODS),
      mode: z.enum(['hard', 'soft']),
      value: amount,
      used: amount,
      remaining: amount,
      source: amount,
    })
    .nullable(),
  registryVersion: z.string(),
  asOf: z.string().nullable(),
  ageMs: z.number().nullable(),
  retryAfterMs: z.number().nullable(),
  correlationId: z.string(),
});

const usage = z.object({
  asOf: z.object({ completeThrough: z.iso.datetime().nullable() }),
  rows: z.array(z.object({ usage: z.string(), unit: z.string() })).max(1),
});

export const openReader = ((options): Reader => {
  const ask = createApiClient(options);
  return {
    readUsage: (asked, signal) => readUsage(ask, asked, signal),
    check: async (question, signal) => {
      const { usage: wanted, ...rest } = question;
      const body = {
        ...rest,
        ...(wanted === undefined ? {} : { usage: { ...wanted, delta: wanted.delta.toString() } }),
      };
      return { ...(await ask('/v1/decide', decision, signal, body)), decidedBy: 'api' };
    },
    // The API tells the class that a tenant's own document names, not the strictest of its lineage.
    classOf: null,
    close: () => Promise.resolve(),
  };
}) satisfies OpenReader<ApiOptions>;

async function readUsage(ask: AskApi, asked: AskedUsage, signal: AbortSignal): Promise<UsageReading> {
  const { tenantId, metric, from, to, descendants } = asked;
  const query = new URLSearchParams({
    tenantId,
    metric,
    from: new Date(from).toISOString(),
    to: new Date(to).toISOString(),
    granularity: 'total',
    ...(descendants ? { descendants: 'true', together: 'true' } : {}),
  });
  const { rows, asOf } = await ask(`/v1/usage?${query.toString()}`, usage, signal);
  const [row] = rows;
  return {
    value: row?.usage ?? '0',
    unit: row?.unit ?? null,
    origin: 'api',
    completeThrough: asOf.completeThrough === null ? null : Date.parse(asOf.completeThrough),
  };
}
