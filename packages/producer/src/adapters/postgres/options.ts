import { isTenantId } from '@meterhouse/usage';
import * as z from 'zod';
import type { SecretFields } from '../../configuration/secret-fields.ts';

export const postgresOptions = (secret: SecretFields) =>
  z.strictObject({
    url: secret.url.describe('The database, with a login role that was granted `meterhouse_producer`.'),
    tenantScope: z
      .string()
      .refine(isTenantId, 'must be the id of a tenant')
      .optional()
      .describe(
        'Only events and questions of this tenant and of those below it are taken; others are refused.',
      ),
    connections: z.int().min(2).max(100).default(4).describe('Connections that are kept at most.'),
    windowBackDays: z
      .int()
      .min(1)
      .max(35)
      .default(35)
      .describe('How old an event may be, by the database’s clock; what is older goes to quarantine.'),
    windowAheadMinutes: z
      .int()
      .min(0)
      .max(1440)
      .default(60)
      .describe('How far an event may be ahead of the database’s clock.'),
  });

export type PostgresOptions = z.output<ReturnType<typeof postgresOptions>>;
