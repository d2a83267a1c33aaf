/** `registry.yaml`: the tenants and metrics that should be there. Read strictly; pure. */
import { parseDocument } from 'yaml';
import { z } from 'zod';
import {
  AGGREGATIONS,
  EVENT_LIMITS,
  isMetricName,
  isTenantId,
  type Metric,
  type Tenant,
} from '@meterhouse/usage';
import { ProblemsError, problemsOf, type Problem } from '../problems.ts';

export interface RegistryFile {
  readonly tenants: readonly Tenant[];
  readonly metrics: readonly Metric[];
}

const TENANT_ID_WORDS =
  'must begin with a letter or digit and go on with at most 127 of letters, digits and . _ : @ / -';
const tenantId = z.string().refine(isTenantId, { message: TENANT_ID_WORDS });
const text = (maxLength: number) =>
  z
    .string()
    .min(1, 'must not be empty')
    .max(maxLength, `must have at most ${maxLength} characters`)
    // Postgres cannot store NUL, and a broken surrogate would change on its way there.
    .refine((value) => !value.includes('\0') && value.isWellFormed(), 'must be text without NUL');

const tenant = z.strictObject({
  id: tenantId,
  name: text(256).optional(),
  parent: tenantId.nullable().optional(),
});

const aggregation = z.unknown().transform((value, context) => {
  const known = AGGREGATIONS.find((name) => name === value);
  if (known !== undefined) return known;
  context.addIssue({
    code: 'custom',
    message:
      value === 'unique'
        ? 'unique cannot be counted yet; register the metric with sum, count, max, min or latest'
        : `must be one of ${AGGREGATIONS.join(', ')}`,
  });
  return z.NEVER;
});

const metric = z.strictObject({
  name: z.string().refine(isMetricName, {
    message: 'must begin with a letter and go on with at most 127 of letters, digits and . _ -',
  }),
  unit: text(EVENT_LIMITS.nameLength),
  aggregation,
  scale: z.int('must be a whole number').min(0, 'must be 0 to 9').max(9, 'must be 0 to 9'),
  family: text(EVENT_LIMITS.nameLength),
  groupBy: z
    .array(text(EVENT_LIMITS.attrKeyLength))
    .max(8, 'must name at most 8 attributes')
    .refine((names) => new Set(names).size === names.length, 'names an attribute twice')
    .default([]),
});

const registryFile = z.strictObject({
  tenants: z.array(tenant).default([]),
  metrics: z.array(metric).default([]),
});

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
  const file = {
    tenants: parsed.data.tenants.map(({ id, name, parent }) => ({
      id,
      name: name ?? id,
      parent: parent ?? null,
    })),
    metrics: parsed.data.metrics,
  };
  const repeated = [
    ...repetitions(
      'tenants',
      'id',
      file.tenants.map(({ id }) => id),
    ),
    ...repetitions(
      'metrics',
      'name',
      file.metrics.map(({ name }) => name),
    ),
  ];
  if (repeated.length > 0) throw new ProblemsError(`${fileName} is not a registry`, repeated);
  return file;
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
