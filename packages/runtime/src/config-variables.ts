/** What can be said of variables to people: for `--help` and docs/ops/configuration.md. Pure. */
import type { z } from 'zod';
import { passwordsIn } from './secrets.ts';

export interface DescribedVariable {
  readonly name: string;
  /** What its text has to be. */
  readonly kind: string;
  /** Null where it has to be given; empty where it may be left out. */
  readonly fallback: string | null;
  readonly meaning: string;
}

/** The parts of a zod schema that descriptions are read from. */
interface Described {
  readonly def: {
    readonly type: string;
    readonly defaultValue?: unknown;
    readonly innerType?: Described;
    readonly in?: Described;
    readonly out?: Described;
    readonly format?: string;
    readonly entries?: Readonly<Record<string, string>>;
  };
  meta(): { description?: string; kind?: string; secret?: boolean | 'whole' } | undefined;
}

/** @throws when a variable has no description, or one whose kind cannot be told */
export function describeVariables(shape: z.ZodRawShape): DescribedVariable[] {
  return Object.entries(shape).map(([name, schema]) => {
    const described = schema as unknown as Described;
    const meaning = described.meta()?.description;
    if (meaning === undefined) throw new Error(`${name} has no description`);
    return { name, kind: kindOf(name, described), fallback: fallbackOf(described), meaning };
  });
}

function fallbackOf({ def }: Described): string | null {
  if (def.type === 'optional') return '';
  if (def.type !== 'default') return null;
  return String(def.defaultValue);
}

function kindOf(name: string, schema: Described): string {
  const kind = schema.meta()?.kind;
  if (kind !== undefined) return kind;
  const { def } = schema;
  if (def.innerType !== undefined) return kindOf(name, def.innerType);
  switch (def.type) {
    case 'enum':
      return `one of ${Object.values(def.entries ?? {}).join(', ')}`;
    case 'string':
      return def.format === 'url' ? 'URL' : 'text';
    case 'pipe':
      if (def.out?.def.type === 'boolean') return '`true` or `false`';
      if (def.in !== undefined) return kindOf(name, def.in);
  }
  throw new Error(`the kind of ${name} cannot be told: give it one with .meta({ kind })`);
}

/** What of the values of variables is secret: passwords in URLs, and what is secret as a whole. */
export function secretsOf(shape: z.ZodRawShape, config: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(shape).flatMap(([name, schema]) => {
    const secret = (schema as unknown as Described).meta()?.secret ?? false;
    if (secret === false) return [];
    const value = config[name];
    const parts = typeof value === 'object' && value !== null ? Object.values(value) : [value];
    const texts = parts.filter((part) => typeof part === 'string');
    return secret === 'whole' ? texts : texts.flatMap(passwordsIn);
  });
}

/** What `--help` prints. */
export function helpText(name: string, purpose: string, shape: z.ZodRawShape): string {
  const variables = describeVariables(shape).flatMap(({ name: variable, kind, fallback, meaning }) => {
    const given =
      fallback === null ? 'required' : fallback === '' ? 'may be left out' : `default ${fallback}`;
    return [`  ${variable}  (${plain(kind)}; ${given})`, `      ${plain(meaning)}`];
  });
  return [
    `meterhouse ${name}: ${purpose}`,
    '',
    'It is told everything by environment variables, and takes no arguments but --help:',
    '',
    ...variables,
    '',
  ].join('\n');
}

/** Descriptions are written for Markdown. */
function plain(text: string): string {
  return text.replaceAll('`', '');
}
