/**
 * The environment variables of a meter, made from the schema: `kafka.schemaRegistryUrl` is
 * METERHOUSE_KAFKA_SCHEMA_REGISTRY_URL. Pure.
 */
import type * as z from 'zod';
import type { Environment } from './secret-fields.ts';

export interface Variable {
  readonly name: string;
  readonly path: readonly string[];
  readonly kind: 'text' | 'number' | 'boolean' | 'list';
  readonly isSecret: boolean;
  readonly description: string;
  /** Null: none. */
  readonly fallback: string | null;
  /** Nothing stands in for it where its section is there. */
  readonly isNeeded: boolean;
  /** Null: any. */
  readonly choices: readonly string[] | null;
}

/** The parts of a zod schema that variables are read from. */
interface Walked {
  readonly def: {
    readonly type: string;
    readonly innerType?: Walked;
    readonly in?: Walked;
    readonly defaultValue?: unknown;
    readonly shape?: Readonly<Record<string, Walked>>;
    readonly entries?: Readonly<Record<string, string>>;
  };
  meta(): { readonly description?: string; readonly secret?: boolean } | undefined;
}

const PREFIX = 'METERHOUSE_';

export function variablesOf(schema: z.ZodType): Variable[] {
  return [...walk(schema as unknown as Walked, [], FIELD)];
}

/** What the layers around a field have said of it. */
interface Said {
  readonly fallback: string | null;
  readonly description: string | null;
  readonly isNeeded: boolean;
}

const FIELD: Said = { fallback: null, description: null, isNeeded: true };
const SPARING = new Set(['default', 'prefault', 'optional']);

function* walk(schema: Walked, path: readonly string[], said: Said): Generator<Variable> {
  const { def } = schema;
  const description = said.description ?? schema.meta()?.description ?? null;
  if (def.shape !== undefined) {
    for (const [name, field] of Object.entries(def.shape)) yield* walk(field, [...path, name], FIELD);
    return;
  }
  const isSecret = schema.meta()?.secret === true;
  if (!isSecret && def.innerType !== undefined) {
    const fallback = def.type === 'default' ? String(def.defaultValue) : said.fallback;
    yield* walk(def.innerType, path, {
      ...{ fallback, description },
      isNeeded: said.isNeeded && !SPARING.has(def.type),
    });
    return;
  }
  yield {
    ...{ name: PREFIX + path.map(shouted).join('_'), path, kind: kindOf(def.type), isSecret },
    ...{ description: description ?? '', fallback: said.fallback, isNeeded: said.isNeeded },
    choices: def.entries === undefined ? null : Object.values(def.entries),
  };
}

function kindOf(type: string): Variable['kind'] {
  if (type === 'number' || type === 'boolean') return type;
  // Certificates are given in a file; a variable says whether.
  if (type === 'union') return 'boolean';
  return type === 'array' ? 'list' : 'text';
}

function shouted(name: string): string {
  return name.replaceAll(/[A-Z]/g, '_$&').toUpperCase();
}

export interface FromEnvironment {
  /** What is set, by path. */
  readonly set: readonly { readonly path: readonly string[]; readonly value: unknown }[];
  /** Variables that begin like a section's and are none. */
  readonly problems: readonly string[];
}

/** Only variables with a name of ours are looked at: a value of any other stays unknown to us. */
export function readVariables(variables: readonly Variable[], env: Environment): FromEnvironment {
  const known = new Map(variables.map((variable) => [variable.name, variable]));
  const sections = new Set(
    variables.filter(({ path }) => path.length > 1).map(({ path }) => `${PREFIX}${shouted(path[0] ?? '')}_`),
  );
  const set: { path: readonly string[]; value: unknown }[] = [];
  const problems: string[] = [];
  for (const [name, text] of Object.entries(env)) {
    if (text === undefined || text === '' || !name.startsWith(PREFIX)) continue;
    const variable = known.get(name);
    if (variable !== undefined) set.push({ path: variable.path, value: valueOf(variable, text) });
    else if ([...sections].some((section) => name.startsWith(section)))
      problems.push(`${name}: is not a variable of the meter`);
  }
  return { set, problems };
}

function valueOf({ kind, isSecret, name }: Variable, text: string): unknown {
  // As a file would have to say it, so that there is one rule for secrets.
  if (isSecret) return { env: name };
  switch (kind) {
    case 'number':
      return /^-?[0-9]+$/.test(text) ? Number(text) : text;
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : text;
    case 'list':
      return text
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== '');
    case 'text':
      return text;
  }
}
