/** API keys over HTTP. Of a secret there is only what making it answers, once. */
import { API_KEY_LIMITS, API_ROLES } from '@meterhouse/postgres/access';
import { z } from 'zod';
import { nextCursor } from '../../http/cursor.ts';

const instant = z.iso.datetime();

export const keyAnswer = z
  .object({
    keyId: z.string().describe('The part of the key that may be shown and logged.'),
    tenantId: z.string().nullable().describe('This tenant and all below it. Null: the whole platform.'),
    role: z.enum(API_ROLES),
    name: z.string(),
    createdAt: instant,
    createdBy: z.string(),
    expiresAt: instant.nullable(),
    previousValidUntil: instant
      .nullable()
      .describe('Until when the secret before the last rotation is good as well.'),
    rotatedAt: instant.nullable(),
    rotatedBy: z.string().nullable(),
    revokedAt: instant.nullable(),
    revokedBy: z.string().nullable(),
    lastUsedAt: instant.nullable().describe('To the minute.'),
  })
  .meta({ id: 'ApiKey' });

export const secretAnswer = z
  .object({
    apiKey: keyAnswer,
    key: z.string().describe('The whole key. It is told this once and kept nowhere.'),
  })
  .meta({ id: 'NewApiKey' });

export const keysAnswer = z.object({ keys: z.array(keyAnswer), nextCursor });

export const newKeyBody = z
  .strictObject({
    role: z.enum(API_ROLES),
    tenantId: z
      .string()
      .min(1)
      .max(128)
      .nullable()
      .optional()
      .describe('Whose it is, with all below. Default: the caller’s own; null or none: the platform.'),
    name: z.string().min(1).max(API_KEY_LIMITS.nameLength).describe('What it is for.'),
    expiresAt: z.iso.datetime({ offset: true }).nullable().default(null).describe('Null: never.'),
  })
  .meta({ id: 'NewApiKeyRequest' });

const DAY_MS = 86_400_000;

export const rotationBody = z.strictObject({
  overlapMs: z
    .int()
    .min(0)
    .max(30 * DAY_MS)
    .describe('How long the present secret stays good. 0: it ends now.'),
});

export const keyParams = z.strictObject({ id: z.string().regex(/^[0-9a-f]{16}$/) });
