/** The chart through the real Helm, and what comes out. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { cacheDirectory, ensureClassPath } from '../../packages/dev-stack/jvm/jvm-parts.mjs';

export const CHART = fileURLToPath(new URL('../../deploy/helm/meterhouse/', import.meta.url));

/** What makes the migration run before anything else is installed or upgraded. */
export const HOOK =
  / {2}annotations:\n {4}helm.sh\/hook: pre-install,pre-upgrade\n(?: {4}helm.sh\/hook.*\n)+/;

/** What the tests look at; everything else is the schemas' business. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
  readonly spec?: unknown;
  readonly data?: Readonly<Record<string, string>>;
}

type Rendering =
  | { readonly manifests: readonly Manifest[]; readonly refused?: never }
  | { readonly refused: string; readonly manifests?: never };

export interface HelmRun<Name extends string> {
  readonly renderings: Readonly<Record<Name, Rendering>>;
  /** What lint says of the chart with the first of the values. */
  readonly lint: string;
}

/** @param values by a name of their own */
export async function runHelm<Name extends string>(
  values: Readonly<Record<Name, object>>,
): Promise<HelmRun<Name>> {
  const classPath = await ensureClassPath({
    name: 'helm-java-0.0.17',
    what: 'Helm 3.19',
    pom: fileURLToPath(new URL('pom.xml', import.meta.url)),
    cacheDir: cacheDirectory(process.env),
    say: (line) => process.stderr.write(`${line}\n`),
  });
  const folder = await mkdtemp(join(tmpdir(), 'meterhouse-helm-'));
  try {
    const names = Object.keys(values) as Name[];
    const files = names.map((_, index) => join(folder, String(index)));
    for (const [index, name] of names.entries())
      await writeFile(`${files[index] ?? ''}.yaml`, stringify(values[name]));
    const program = fileURLToPath(new URL('RunHelm.java', import.meta.url));
    const args = [
      '-cp',
      classPath,
      program,
      await chartFor(folder, 'chart', {}),
      await chartFor(folder, 'linted', Object.values<object>(values)[0] ?? {}),
      ...files.map((file) => `${file}.yaml`),
    ];
    const { stdout } = await promisify(execFile)('java', args);
    const renderings = await Promise.all(files.map(renderingOf));
    return {
      renderings: Object.fromEntries(names.map((name, index) => [name, renderings[index]])) as Record<
        Name,
        Rendering
      >,
      lint: stdout,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * A copy of the chart. The library takes the cluster for one of Kubernetes 1.20, so what the chart says of
 * versions is left out. It renders no hooks, so here the migration is none. And it lints with the chart's own values, so those get what has no default.
 */
async function chartFor(folder: string, name: string, values: object): Promise<string> {
  const copy = join(folder, name);
  await cp(CHART, copy, { recursive: true, dereference: true });
  const about = join(copy, 'Chart.yaml');
  await writeFile(about, (await readFile(about, 'utf8')).replace(/^kubeVersion: .*\n/m, ''));
  const hook = join(copy, 'templates', 'migration.yaml');
  await writeFile(hook, (await readFile(hook, 'utf8')).replace(HOOK, ''));
  const path = join(copy, 'values.yaml');
  const defaults = parse(await readFile(path, 'utf8')) as object;
  await writeFile(path, stringify(merged(defaults, values)));
  return copy;
}

function merged(under: object, over: object): object {
  const both = { ...under, ...over } as Record<string, unknown>;
  for (const [key, value] of Object.entries(over)) {
    const below = (under as Record<string, unknown>)[key];
    if (isObject(value) && isObject(below)) both[key] = merged(below, value);
  }
  return both;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

async function renderingOf(file: string): Promise<Rendering> {
  if (existsSync(`${file}.refused`)) return { refused: await readFile(`${file}.refused`, 'utf8') };
  const documents = parseAllDocuments(await readFile(`${file}.rendered`, 'utf8'));
  return {
    manifests: documents.map((each) => each.toJS() as Manifest | null).filter((each) => each !== null),
  };
}
