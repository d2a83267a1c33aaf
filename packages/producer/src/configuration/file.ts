/** The configuration file: where it is looked for, and what stands in it. */
import { readFileSync, statSync } from 'node:fs';
import { extname, join, resolve } from 'node:path';
import { ConfigError } from '@meterhouse/runtime';
import { parse as parseToml } from 'smol-toml';
import { parse as parseYaml } from 'yaml';

export const FILE_NAMES = ['meterhouse.toml', 'meterhouse.yaml', 'meterhouse.yml'] as const;
const MAX_BYTES = 256 * 1024;

export interface ConfigurationFile {
  readonly path: string;
  readonly tree: Readonly<Record<string, unknown>>;
}

/**
 * @param named the path that METERHOUSE_CONFIG gives; without one, the files of the folder are looked for
 * @returns null where there is none
 * @throws ConfigError where there are two, or it cannot be read
 */
export function readConfigurationFile(cwd: string, named: string | undefined): ConfigurationFile | null {
  if (named !== undefined && named !== '') return read(resolve(cwd, named));
  const found = FILE_NAMES.map((name) => join(cwd, name)).filter(
    (path) => statSync(path, { throwIfNoEntry: false }) !== undefined,
  );
  if (found.length > 1) throw new ConfigError([`there are ${found.join(' and ')}: keep one of them`]);
  const [path] = found;
  return path === undefined ? null : read(path);
}

function read(path: string): ConfigurationFile {
  let tree: unknown;
  try {
    const { size } = statSync(path);
    if (size > MAX_BYTES) throw new Error(`has ${size} bytes, at most ${MAX_BYTES} are read`);
    const text = readFileSync(path, 'utf8');
    tree = extname(path) === '.toml' ? parseToml(text) : parseYaml(text, { maxAliasCount: 0 });
  } catch (error) {
    // Parsers go on to quote the lines around; a secret may stand there.
    const [said = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
    throw new ConfigError([`${path}: ${said}`]);
  }
  if (typeof tree !== 'object' || tree === null || Array.isArray(tree))
    throw new ConfigError([`${path}: is not a table of options`]);
  return { path, tree: tree as Record<string, unknown> };
}
