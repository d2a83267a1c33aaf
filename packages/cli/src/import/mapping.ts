/** How the rows of a file become usage events: read from a YAML file, from options, or from both. */
import { hash } from 'node:crypto';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { isMetricName, isTenantId } from '@meterhouse/usage';
import { UsageError } from '../exit.ts';
import { ProblemsError, problemsOf } from '../problems.ts';
import { jsonContent } from './row-identity.ts';

/** Fields of an event that a column can fill. `source` is not among them: it is the import's own. */
export const MAPPED_FIELDS = ['id', 'tenantId', 'metric', 'value', 'ts', 'unit', 'correlationId'] as const;
export type MappedField = (typeof MAPPED_FIELDS)[number];
/** Fields that can be the same for all rows. */
const CONSTANT_FIELDS = ['tenantId', 'metric', 'value', 'ts', 'unit', 'correlationId'] as const;
type ConstantField = (typeof CONSTANT_FIELDS)[number];

export interface Mapping {
  /** Null: told by the file's ending. */
  readonly format: 'csv' | 'jsonl' | null;
  /** Field → column. A field without an entry is filled by the column of its own name, if there is one. */
  readonly map: Readonly<Partial<Record<MappedField, string>>>;
  readonly set: Readonly<Partial<Record<ConstantField, string>>>;
  /** Metric → column of its value: one event for each from every row. */
  readonly metrics: Readonly<Record<string, string>>;
  /** Attribute → column. An empty cell leaves the attribute out. */
  readonly attrs: Readonly<Record<string, string>>;
  /** The tenant is chosen by the row's hash among so many. */
  readonly tenantFrom: { readonly count: number; readonly prefix: string } | null;
  readonly timeZone: string;
  readonly delimiter: string;
}

const EMPTY: Mapping = {
  format: null,
  map: {},
  set: {},
  metrics: {},
  attrs: {},
  tenantFrom: null,
  timeZone: 'UTC',
  delimiter: ',',
};

const MAX_HASHED_TENANTS = 1_000_000;
const column = z.string().min(1);
const constant = z.union([z.string(), z.int().transform(String)]);
const mappingFile = z.strictObject({
  format: z.enum(['csv', 'jsonl']).optional(),
  map: z.partialRecord(z.enum(MAPPED_FIELDS), column).optional(),
  set: z.partialRecord(z.enum(CONSTANT_FIELDS), constant).optional(),
  metrics: z.record(z.string().refine(isMetricName, 'is not a metric name'), column).optional(),
  attrs: z.record(z.string().min(1), column).optional(),
  tenantFrom: z.string().optional(),
  timeZone: z.string().optional(),
  delimiter: z.string().length(1, 'must be one character').optional(),
});

/** @throws ProblemsError listing all that is wrong with the file */
export function parseMappingFile(fileName: string, source: string): Mapping {
  const document = parseDocument(source, { uniqueKeys: true });
  if (document.errors.length > 0)
    throw new ProblemsError(
      `${fileName} is not YAML`,
      document.errors.map((error) => error.message.split('\n')[0] ?? error.message),
    );
  const parsed = mappingFile.safeParse(document.toJS({ maxAliasCount: 100 }) ?? {});
  if (!parsed.success) throw new ProblemsError(`${fileName} is not a mapping`, problemsOf(parsed.error));
  const { tenantFrom, ...rest } = parsed.data;
  return {
    ...EMPTY,
    ...Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)),
    tenantFrom: tenantFrom === undefined ? null : parseTenantFrom('tenantFrom', tenantFrom),
  };
}

/** The options of the command line as they were given. */
export interface MappingOptions {
  readonly format?: 'csv' | 'jsonl';
  readonly map?: readonly string[];
  readonly set?: readonly string[];
  readonly metric?: readonly string[];
  readonly attr?: readonly string[];
  readonly tenantFrom?: string;
  readonly timeZone?: string;
  readonly delimiter?: string;
}

/** Options stand above the mapping file, entry by entry. */
export function withOptions(base: Mapping | null, options: MappingOptions): Mapping {
  const from = base ?? EMPTY;
  const metrics = pairs('--metric', options.metric ?? []);
  for (const [name] of metrics)
    if (!isMetricName(name)) throw new UsageError(`--metric: ${JSON.stringify(name)} is not a metric name`);
  return {
    format: options.format ?? from.format,
    map: { ...from.map, ...fields('--map', options.map ?? [], MAPPED_FIELDS) },
    set: { ...from.set, ...fields('--set', options.set ?? [], CONSTANT_FIELDS) },
    metrics: { ...from.metrics, ...Object.fromEntries(metrics) },
    attrs: { ...from.attrs, ...Object.fromEntries(pairs('--attr', options.attr ?? [])) },
    tenantFrom:
      options.tenantFrom === undefined
        ? from.tenantFrom
        : parseTenantFrom('--tenant-from', options.tenantFrom),
    timeZone: options.timeZone ?? from.timeZone,
    delimiter: delimiterOf(options.delimiter) ?? from.delimiter,
  };
}

function delimiterOf(text: string | undefined): string | null {
  if (text === undefined) return null;
  const character = text === '\\t' ? '\t' : text;
  if (character.length !== 1) throw new UsageError('--delimiter: must be one character, or \\t');
  return character;
}

/** `name=column` entries. The first `=` separates: metric and attribute names have none, columns may. */
function pairs(option: string, texts: readonly string[]): [string, string][] {
  return texts.map((text) => {
    const at = text.indexOf('=');
    if (at < 1 || at === text.length - 1)
      throw new UsageError(`${option}: ${JSON.stringify(text)} is not of the form name=column`);
    return [text.slice(0, at), text.slice(at + 1)];
  });
}

function fields<Field extends string>(
  option: string,
  texts: readonly string[],
  known: readonly Field[],
): Partial<Record<Field, string>> {
  const result: Partial<Record<Field, string>> = {};
  for (const [name, value] of pairs(option, texts)) {
    const field = known.find((one) => one === name);
    if (field === undefined) throw new UsageError(`${option}: ${name} is not one of ${known.join(', ')}`);
    result[field] = value;
  }
  return result;
}

/** `hash:12` or `hash:12:customer-`. */
function parseTenantFrom(option: string, text: string): { count: number; prefix: string } {
  const match = /^hash:([1-9][0-9]{0,6})(?::(.*))?$/.exec(text);
  const count = Number(match?.[1] ?? 0);
  const prefix = match?.[2] ?? 'tenant-';
  if (match === null || count > MAX_HASHED_TENANTS || !isTenantId(`${prefix}${count}`))
    throw new UsageError(
      `${option}: ${JSON.stringify(text)} is not of the form hash:N or hash:N:prefix, N at most ${MAX_HASHED_TENANTS}`,
    );
  return { count, prefix };
}

/**
 * What an import is called in its events and in producer_reports: the same for the same content
 * under the same mapping and shift, whatever the file is called.
 */
export function importSource(contentSha256: string, mapping: Mapping, shiftDays: number): string {
  const digest = hash('sha256', `${contentSha256}\0${jsonContent(mapping)}\0${shiftDays}`, 'hex');
  return `import:${digest.slice(0, 24)}`;
}
