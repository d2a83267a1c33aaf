/** The registry's documents over HTTP. */
import { DOCUMENT_KINDS, DOCUMENTS, type DocumentKind } from '@meterhouse/quota';
import { z } from 'zod';
import { nextCursor } from '../../http/cursor.ts';

export type DocumentBody = Readonly<Record<string, unknown>>;

interface Collection {
  readonly kind: DocumentKind;
  /** Below `/v1/`. */
  readonly path: string;
  /** In operation ids: `listPlans`, `getPlan`. */
  readonly singular: string;
  readonly plural: string;
  /** What it says of a tenant is that tenant's to read; the rest is the platform's alone. */
  readonly tenantsRead: boolean;
}

export const COLLECTIONS: readonly Collection[] = [
  { kind: 'tenant', path: 'tenants', singular: 'Tenant', plural: 'Tenants', tenantsRead: true },
  { kind: 'metric', path: 'metrics', singular: 'Metric', plural: 'Metrics', tenantsRead: true },
  { kind: 'product', path: 'products', singular: 'Product', plural: 'Products', tenantsRead: true },
  { kind: 'plan', path: 'plans', singular: 'Plan', plural: 'Plans', tenantsRead: false },
  { kind: 'override', path: 'overrides', singular: 'Override', plural: 'Overrides', tenantsRead: true },
  {
    kind: 'delegation',
    path: 'delegations',
    singular: 'Delegation',
    plural: 'Delegations',
    tenantsRead: true,
  },
  {
    kind: 'entitlement',
    path: 'entitlements',
    singular: 'Entitlement',
    plural: 'Entitlements',
    tenantsRead: true,
  },
  { kind: 'pool', path: 'pools', singular: 'Pool', plural: 'Pools', tenantsRead: false },
  {
    kind: 'access_rule',
    path: 'access-rules',
    singular: 'AccessRule',
    plural: 'AccessRules',
    tenantsRead: false,
  },
];

/** The schemas that check what is written; their names in the OpenAPI document end in `Document`. */
export const BODIES = Object.fromEntries(
  COLLECTIONS.map(({ kind, singular }) => [kind, DOCUMENTS[kind].meta({ id: `${singular}Document` })]),
) as unknown as Readonly<Record<DocumentKind, z.ZodType<DocumentBody>>>;

export const kindSchema = z.enum(DOCUMENT_KINDS as [DocumentKind, ...DocumentKind[]]);

export const idParams = z.strictObject({
  id: z.string().min(1).max(128).describe('A slash in it is written as %2F.'),
});

export const documentAnswer = z
  .object({
    id: z.string(),
    version: z.string().describe('The version of the registry that made it so.'),
    changedAt: z.iso.datetime(),
    document: z
      .record(z.string(), z.unknown())
      .describe('As it is written: see the schema of the body that writes it.'),
  })
  .meta({ id: 'RegistryDocument' });

export const documentsAnswer = z.object({ documents: z.array(documentAnswer), nextCursor });

export const MAX_DOCUMENTS = 1_000;

/** Of every change. */
export const why = {
  reason: z.string().min(1).max(1_000).describe('Why: kept in the history of the registry.'),
  privileged: z
    .boolean()
    .default(false)
    .describe('Raise ceilings, or delegate the right to: only `platform_admin`, and audited as such.'),
  dryRun: z.boolean().default(false).describe('Say what would change, change nothing.'),
  expectedVersion: z
    .string()
    .regex(/^[0-9]{1,18}$/)
    .optional()
    .describe('Refuse with 409 where the registry is not at this version any more.'),
};

export const changeAnswer = z
  .object({
    version: z.string().describe('Of the registry afterwards; as before where nothing was changed.'),
    dryRun: z.boolean(),
    entries: z.array(
      z.object({
        kind: kindSchema,
        id: z.string(),
        change: z.enum(['created', 'changed', 'removed', 'unchanged']),
        details: z.array(z.string()).describe('`unit: token → byte`, for what is changed.'),
        privileged: z.boolean().describe('Done by nothing but the right of whoever did it.'),
      }),
    ),
  })
  .meta({ id: 'RegistryChangeResult' });

export const historyAnswer = z.object({
  changes: z.array(
    z
      .object({
        version: z.string(),
        kind: z.string(),
        id: z.string(),
        at: z.iso.datetime(),
        by: z.string(),
        reason: z.string(),
        privileged: z.boolean(),
        before: z.unknown().describe('Null: it is new.'),
        after: z.unknown().describe('Null: it was removed.'),
      })
      .meta({ id: 'RegistryChange' }),
  ),
  nextCursor,
});
