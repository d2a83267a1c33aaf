/** For tests of the package as others get it: built, packed by npm, and installed into a project of its own. */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from '../../packages/producer/pack/build.ts';
import type { OwnManifest } from '../../packages/producer/pack/manifest.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const run = promisify(execFile);
/** npm asks its registry for what its cache does not have. */
const NPM_INSTALL = ['install', '--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund'];

const LIBRARIES = [
  ...['@kafkajs/confluent-schema-registry', '@types/express', '@types/pg', 'amqplib', 'avsc', 'bullmq'],
  ...['express', 'express4', 'fastify', 'ioredis', 'kafkajs', 'pg'],
];

export interface Packed {
  /** What npm packed, as a folder. */
  readonly folder: string;
  readonly tarball: string;
  readonly remove: () => Promise<void>;
}

export async function packProducer(): Promise<Packed> {
  const own = JSON.parse(await readFile(join(ROOT, 'packages/producer/package.json'), 'utf8')) as OwnManifest;
  const home = await mkdtemp(join(tmpdir(), 'meterhouse-pack-'));
  const folder = join(home, 'package');
  await build(own, folder);
  await run('npm', ['pack', folder, '--pack-destination', home, '--silent']);
  const tarball = (await readdir(home)).find((name) => name.endsWith('.tgz'));
  if (tarball === undefined) throw new Error('npm has packed nothing');
  return {
    folder,
    tarball: join(home, tarball),
    remove: () => rm(home, { recursive: true, force: true }),
  };
}

export interface Project {
  readonly folder: string;
  /** Runs a consumer there, and reads its result. @throws where it ends otherwise than by itself */
  run(consumer: string, ...args: string[]): Promise<{ result: unknown; lines: string[]; stderr: string }>;
  readonly remove: () => Promise<void>;
}

/** An empty project with the package, and what else is to be installed from the registry. */
export async function newProject({ tarball }: Packed, ...others: string[]): Promise<Project> {
  const folder = await mkdtemp(join(tmpdir(), 'meterhouse-consumer-'));
  await writeFile(join(folder, 'package.json'), '{ "private": true }\n');
  await cp(fileURLToPath(new URL('consumers/', import.meta.url)), folder, { recursive: true });
  await run('npm', [...NPM_INSTALL, tarball, ...others], { cwd: folder });
  return {
    folder,
    run: async (consumer, ...args) => {
      // What it compiles lies in a folder of its own, and would be kept for nobody.
      const env = { ...process.env, NODE_DISABLE_COMPILE_CACHE: '1' };
      const ended = await run(process.execPath, [consumer, ...args], { cwd: folder, env, timeout: 30_000 });
      const lines = ended.stdout.trimEnd().split('\n');
      const result = lines.find((line) => line.startsWith('result '));
      return {
        result: result === undefined ? undefined : (JSON.parse(result.slice('result '.length)) as unknown),
        lines: lines.filter((line) => line !== result),
        stderr: ended.stderr,
      };
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** What the wrappers and adapters work with, in the versions that they are tested with here, and their types. */
export async function librariesInUse(): Promise<string[]> {
  const versions = new Map<string, string>();
  for (const path of ['packages/producer/package.json', 'packages/kafka/package.json']) {
    const manifest = JSON.parse(await readFile(join(ROOT, path), 'utf8')) as {
      dependencies?: Record<string, string>;
      devDependencies?: Record<string, string>;
    };
    for (const [name, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies }))
      versions.set(name, version);
  }
  return LIBRARIES.map((name) => {
    const version = versions.get(name);
    if (version === undefined) throw new Error(`no package of ours is tested with ${name}`);
    return `${name}@${version}`;
  });
}

/** Node's own types, which every project in TypeScript has. */
export async function withNodeTypes({ folder }: Project): Promise<void> {
  await mkdir(join(folder, 'node_modules/@types'), { recursive: true });
  await symlink(join(ROOT, 'node_modules/@types/node'), join(folder, 'node_modules/@types/node'));
}

/** A tool of the repository. @throws with what it said, where it finds anything */
export async function runTool(bin: string, args: readonly string[], cwd: string): Promise<string> {
  const ended = await run(process.execPath, [join(ROOT, 'node_modules', bin), ...args], { cwd }).catch(
    (error: unknown) => {
      const { stdout, stderr } = error as { stdout?: string; stderr?: string };
      throw new Error(`${bin}: ${stdout ?? ''}${stderr ?? ''}`, { cause: error });
    },
  );
  return ended.stdout;
}
