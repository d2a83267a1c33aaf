/**
 * From what is written to what a meter is made of; every problem at once, by the name under which it
 * was written. An object given by the caller is all there is. Without one:
 *
 *  1. the file: METERHOUSE_CONFIG names it, else meterhouse.toml, .yaml or .yml of the working folder
 *  2. METERHOUSE_… variables, each in the place of what the file says
 */
import { ConfigError } from '@meterhouse/runtime';
import type * as z from 'zod';
import type { Adapter } from '../adapter.ts';
import { FILE_NAMES, readConfigurationFile } from './file.ts';
import { meterOptions, type MeterConfiguration, type MeterOptions } from './schema.ts';
import { fromFile, IN_MEMORY, unresolved, type Environment, type SecretFields } from './secret-fields.ts';
import { readVariables, variablesOf } from './variables.ts';

/** An adapter of the service's own stands in the place of a name. */
export type AnyConfiguration =
  MeterConfiguration | (Omit<MeterConfiguration, 'adapter'> & { readonly adapter: Adapter });

export interface ParsedConfiguration {
  readonly options: MeterOptions;
  /** The service's own, in place of the one that the options name. */
  readonly adapter: Adapter | null;
}

/** Where a configuration is looked for that the caller does not give. */
export interface Surroundings {
  readonly env: Environment;
  readonly cwd: string;
}

type Tree = Record<string, unknown>;

/** @throws ConfigError */
export function parseObject(given: AnyConfiguration): ParsedConfiguration {
  if (typeof given.adapter === 'string') return { options: parsed(given, () => IN_MEMORY), adapter: null };
  const { adapter, ...rest } = given;
  return { options: parsed({ ...rest, adapter: 'noop' }, () => IN_MEMORY), adapter };
}

/** @throws ConfigError */
export function findConfiguration({ env, cwd }: Surroundings): ParsedConfiguration {
  const file = readConfigurationFile(cwd, env['METERHOUSE_CONFIG']);
  const { set, problems } = readVariables(variablesOf(meterOptions()), env);
  if (file === null && set.length === 0)
    throw new ConfigError([
      ...problems,
      `there is none: set METERHOUSE_ADAPTER, or write ${FILE_NAMES.join(' or ')} into ${cwd}`,
    ]);
  const tree: Tree = structuredClone(file?.tree ?? {});
  for (const { path, value } of set) put(tree, path, value);
  const found = fromFile(env);
  const chosen = chosenParts(tree);
  const options = parsed(tree, (part) => (chosen.has(part) ? found : unresolved()), problems);
  return { options, adapter: null };
}

/** Only their secrets have to be there. */
function chosenParts(tree: Tree): Set<unknown> {
  return new Set([
    tree['adapter'],
    at(tree['usage'], 'from'),
    at(tree['check'], 'from'),
    at(tree['weights'], 'from'),
    'usage',
  ]);
}

function at(section: unknown, key: string): unknown {
  return typeof section === 'object' && section !== null ? (section as Tree)[key] : undefined;
}

function put(tree: Tree, [head = '', ...rest]: readonly string[], value: unknown): void {
  if (rest.length === 0) {
    tree[head] = value;
    return;
  }
  const inner = tree[head];
  const section: Tree = typeof inner === 'object' && inner !== null ? (inner as Tree) : {};
  tree[head] = section;
  put(section, rest, value);
}

/** A chosen part without a section is one with nothing in it, so that what it lacks is told by name. */
function parsed(
  given: object,
  secret: (part: string) => SecretFields,
  problems: readonly string[] = [],
): MeterOptions {
  const tree: Tree = { ...given };
  for (const name of chosenParts(tree)) if (typeof name === 'string' && name !== 'adapter') tree[name] ??= {};
  const outcome = meterOptions(secret).safeParse(tree);
  if (outcome.success && problems.length === 0) return outcome.data;
  throw new ConfigError([...problems, ...(outcome.error?.issues.flatMap(described) ?? [])]);
}

function described(issue: z.core.$ZodIssue): string[] {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => `${[...path, key].join('.')}: is not an option`);
  return [`${path.join('.')}: ${issue.message}`];
}
