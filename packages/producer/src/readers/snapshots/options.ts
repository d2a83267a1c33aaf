import * as z from 'zod';
import { clusterOptions } from '../../configuration/cluster.ts';
import type { SecretFields } from '../../configuration/secret-fields.ts';

export const snapshotsOptions = (secret: SecretFields) =>
  z.strictObject({
    ...clusterOptions(secret),
    topic: z.string().min(1).default('usage_snapshots').describe('Topic of current usage.'),
    groupPrefix: z
      .string()
      .min(1)
      .max(128)
      .optional()
      .describe('Begins the names of consumer groups, where the broker’s rules ask for one.'),
  });

export type SnapshotsOptions = z.output<ReturnType<typeof snapshotsOptions>>;
