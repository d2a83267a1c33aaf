import * as z from 'zod';
import type { SecretFields } from '../../configuration/secret-fields.ts';

/** What counts there as well is told more: adapters/postgres. */
export const postgresReaderFields = (secret: SecretFields) => ({
  url: secret.url.describe(
    'The database, with a login role that was granted `meterhouse_producer`; to ask only, `meterhouse_reader`.',
  ),
  connections: z.int().min(2).max(100).default(4).describe('Connections that are kept at most.'),
});
