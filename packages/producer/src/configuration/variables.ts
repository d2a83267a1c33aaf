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
}

/** The parts of a zod schema that variables are read from. */
interface Walked {
  readonly def: {
    readonly type: string;
    readonly innerType?: Walked;
    readonly in?: Walked;
    readonly defaultValue?: unknown;
    readonly shape?: Readonly<Record<string, Walked>>;
  };
  meta(): { readonly description?: string; readonly secret?: boolean } | undefined;
}

const PREFIX = 'METERHOUSE_';

export function variablesOf(schema: z.ZodType): Variable[] {
  return [...walk(schema as unknown as Walked, [], null, null)];
}

function* walk(
  schema: Walked,
  path: readonly string[],
  fallback: string | null,
  description: string | null,
): Generator<Variable> {
  const { def } = schema;
  const said = description ?? schema.meta()?.description ?? null;
  if (def.shape !== undefined) {
    for (const [name, field] of Object.entries(def.shape)) yield* walk(field, [...path, name], null, null);
    return;
  }
  const isSecret = schema.meta()?.secret === true;
  if (!isSecret && def.innerType !== undefined) {
    const own = def.type === 'default' ? String(def.defaultValue) : fallback;
    yield* walk(def.innerType, path, own, said);
    return;
  }
  const name = PREFIX + path.map(shouted).join('_');
  yield { name, path, kind: kindOf(def.type), isSecret, description: said ?? '', fallback };
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
