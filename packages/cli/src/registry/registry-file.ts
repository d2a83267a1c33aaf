/** `registry.yaml`: the documents that should be there. Read strictly; pure. */
import { parseDocument } from 'yaml';
import { z } from 'zod';
import {
  billing,
  DOCUMENTS,
  TENANT_CLASSES,
  type DocumentKind,
  type RegistryState,
  type WantedDocument,
} from '@meterhouse/quota';
import { ProblemsError, problemsOf, type Problem } from '../problems.ts';

/** The file's list of each kind. */
const LISTS = {
  tenants: 'tenant',
  metrics: 'metric',
  pools: 'pool',
  products: 'product',
  plans: 'plan',
  delegations: 'delegation',
  overrides: 'override',
  entitlements: 'entitlement',
  accessRules: 'access_rule',
} as const satisfies Record<string, DocumentKind>;

const { id, name, parent, plan, status } = DOCUMENTS.tenant.shape;
const registryFile = z.strictObject({
  // What an entry leaves out is not asked for: see completed().
  tenants: z
    .array(
      z.strictObject({
        id,
        name: name.optional(),
        parent: parent.optional(),
        class: z.enum(TENANT_CLASSES).nullable().optional(),
        plan: plan.optional(),
        status: status.optional(),
        billing: billing.nullable().optional(),
      }),
    )
    .default([]),
  metrics: z.array(DOCUMENTS.metric).default([]),
  pools: z.array(DOCUMENTS.pool).default([]),
  products: z.array(DOCUMENTS.product).default([]),
  plans: z.array(DOCUMENTS.plan).default([]),
  delegations: z.array(DOCUMENTS.delegation).default([]),
  overrides: z.array(DOCUMENTS.override).default([]),
  entitlements: z.array(DOCUMENTS.entitlement).default([]),
  accessRules: z.array(DOCUMENTS.access_rule).default([]),
});

export type RegistryFile = z.infer<typeof registryFile>;

/**
 * @param fileName stands in the error
 * @throws ProblemsError listing everything that is wrong with the file by itself
 */
export function parseRegistryFile(fileName: string, source: string): RegistryFile {
  const document = parseDocument(source, { uniqueKeys: true });
  if (document.errors.length > 0)
    throw new ProblemsError(
      `${fileName} is not YAML`,
      document.errors.map((error) => error.message.split('\n')[0] ?? error.message),
    );
  // maxAliasCount bounds what a few lines of aliases can grow to.
  const parsed = registryFile.safeParse(document.toJS({ maxAliasCount: 100 }) ?? {});
  if (!parsed.success) throw new ProblemsError(`${fileName} is not a registry`, problemsOf(parsed.error));
  const file = parsed.data;
  const repeated = (Object.keys(LISTS) as (keyof typeof LISTS)[]).flatMap((list) =>
    repetitions(list, LISTS[list] === 'metric' ? 'name' : 'id', file[list].map(nameOf)),
  );
  if (repeated.length > 0) throw new ProblemsError(`${fileName} is not a registry`, repeated);
  return file;
}

/**
 * The file's documents, whole. A tenant's entry that says nothing of class, plan, status or billing leaves
 * them as they are, so that a file that only draws the tree does not take plans away.
 */
export function wantedDocuments(file: RegistryFile, now: RegistryState): WantedDocument[] {
  return (Object.keys(LISTS) as (keyof typeof LISTS)[]).flatMap((list) =>
    file[list].map((entry, index) => ({
      kind: LISTS[list],
      id: nameOf(entry),
      body: list === 'tenants' ? completed(entry as RegistryFile['tenants'][number], now) : entry,
      path: `${list}[${index}]`,
    })),
  );
}

function completed(entry: RegistryFile['tenants'][number], now: RegistryState): Record<string, unknown> {
  const known = now.get('tenant', entry.id);
  const calendar = entry.billing === undefined ? known?.billing : entry.billing;
  return {
    id: entry.id,
    name: entry.name ?? entry.id,
    parent: entry.parent ?? null,
    class: entry.class === undefined ? (known?.class ?? null) : entry.class,
    plan: entry.plan === undefined ? (known?.plan ?? null) : entry.plan,
    status: entry.status ?? known?.status ?? 'active',
    ...(calendar === undefined || calendar === null ? {} : { billing: calendar }),
  };
}

function nameOf(entry: { readonly id: string } | { readonly name: string }): string {
  return 'id' in entry ? entry.id : entry.name;
}

function repetitions(list: string, key: string, names: readonly string[]): Problem[] {
  const first = new Map<string, number>();
  return names.flatMap((name, index) => {
    const before = first.get(name);
    if (before === undefined) first.set(name, index);
    return before === undefined
      ? []
      : [`${list}[${index}].${key}: ${name} stands at ${list}[${before}] already`];
  });
}
