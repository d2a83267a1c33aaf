import { isTenantId } from '@meterhouse/usage';
import * as z from 'zod';
import type { SecretFields } from '../../configuration/secret-fields.ts';
import { postgresReaderFields } from '../../readers/postgres/options.ts';

export const postgresOptions = (secret: SecretFields) =>
  z.strictObject({
    ...postgresReaderFields(secret),
    tenantScope: z
      .string()
      .refine(isTenantId, 'must be the id of a tenant')
      .optional()
      .describe(
        'Only events and questions of this tenant and of those below it are taken; others are refused.',
      ),
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
