// The JVM parts of the development stack: Kafka's class path and the unpacked schema registry.
// Plain JavaScript for any Node from 20: it also runs before anything is installed.

import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { spawnGuarded } from '../first-run/guarded-spawn.mjs';

const kafkaVersion = '4.4.0';
// 3.0 is the last line that runs on JDK 17.
const registryVersion = '3.0.9';
const registryRunner = `apicurio-registry-app-${registryVersion}-runner.jar`;
const registryArtifact = `io.apicurio:apicurio-registry-app:${registryVersion}:tar.gz:all`;
const pom = fileURLToPath(new URL('pom.xml', import.meta.url));
const plugin = 'org.apache.maven.plugins:maven-dependency-plugin';

/** @param {Readonly<Record<string, string | undefined>>} env */
export function cacheDirectory(env) {
  return env.METERHOUSE_CACHE ?? join(env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'meterhouse');
}

/**
 * Whether there is nothing left to fetch, so that neither Maven nor a network is needed.
 * @param {string} cacheDir
 */
export function jvmPartsCached(cacheDir) {
  return keptClassPath(cacheDir, kafka) !== undefined && keptRegistry(cacheDir) !== undefined;
}

/** @param {{ cacheDir: string, say: (line: string) => void }} options */
export async function ensureJvmParts({ cacheDir, say }) {
  mkdirSync(cacheDir, { recursive: true });
  // One after the other: Maven does not promise that two runs may fill one local repository.
  return {
    kafkaClassPath: await ensureClassPath({ ...kafka, cacheDir, say }),
    registryDir: await ensureRegistry(cacheDir, say),
  };
}

const kafka = { name: `kafka-${kafkaVersion}`, what: `Kafka ${kafkaVersion}`, pom };
const registryDir = (cacheDir) => join(cacheDir, `apicurio-registry-${registryVersion}`);

const classPathFile = (cacheDir, { name }) => join(cacheDir, name, 'class-path.json');

/** The pom is part of the key: a changed dependency is resolved anew. So is one that somebody deleted. */
function keptClassPath(cacheDir, part) {
  const known = readKept(classPathFile(cacheDir, part));
  const usable = known?.pom === readFileSync(part.pom, 'utf8') && known.jars.every((jar) => existsSync(jar));
  return usable ? known.jars.join(delimiter) : undefined;
}

/** The folder appears whole by a rename, so that one file stands for all. */
function keptRegistry(cacheDir) {
  return existsSync(join(registryDir(cacheDir), registryRunner)) ? registryDir(cacheDir) : undefined;
}

/**
 * The class path of what a pom depends on, ready for `java -cp`.
 * @param {{ name: string, what: string, pom: string, cacheDir: string, say: (line: string) => void }} options
 *   `name` is its folder in the cache
 */
export async function ensureClassPath({ cacheDir, say, ...part }) {
  const kept = keptClassPath(cacheDir, part);
  if (kept !== undefined) return kept;

  say(`Fetching ${part.what} through Maven (once)…`);
  mkdirSync(cacheDir, { recursive: true });
  const scratch = scratchDirectory(cacheDir);
  try {
    const output = join(scratch, 'class-path.txt');
    await maven(['-f', part.pom, `${plugin}:3.8.1:build-classpath`, `-Dmdep.outputFile=${output}`]);
    const jars = readFileSync(output, 'utf8').trim().split(delimiter);
    const next = join(scratch, 'class-path.json');
    writeFileSync(next, JSON.stringify({ pom: readFileSync(part.pom, 'utf8'), jars }, null, 2));
    mkdirSync(join(cacheDir, part.name), { recursive: true });
    renameSync(next, classPathFile(cacheDir, part));
    return jars.join(delimiter);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function ensureRegistry(cacheDir, say) {
  const kept = keptRegistry(cacheDir);
  if (kept !== undefined) return kept;

  say(`Fetching Apicurio Registry ${registryVersion} through Maven (once, 109 MB)…`);
  const scratch = scratchDirectory(cacheDir);
  try {
    await copyRegistryArchive(scratch);
    const unpacked = join(scratch, 'unpacked');
    mkdirSync(unpacked);
    await run('tar', [
      '-xzf',
      join(scratch, `apicurio-registry-app-${registryVersion}-all.tar.gz`),
      '-C',
      unpacked,
    ]);
    moveIntoPlace(unpacked, registryDir(cacheDir));
    return registryDir(cacheDir);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/**
 * 2.8 fetches the one file and nothing else. Later versions of the plugin also read the artifact's parent
 * poms, which some mirrors do not carry; they are here for a Maven that 2.8 no longer runs on.
 */
async function copyRegistryArchive(directory) {
  const failures = [];
  for (const version of ['2.8', '3.8.1']) {
    try {
      return await maven([
        '-f',
        pom,
        `${plugin}:${version}:copy`,
        `-Dartifact=${registryArtifact}`,
        `-DoutputDirectory=${directory}`,
      ]);
    } catch (error) {
      failures.push(error);
    }
  }
  throw new AggregateError(failures, failures.map((error) => error.message).join('\n'));
}

/** Two processes may have unpacked at once: the first rename wins, and both copies are the same. */
function moveIntoPlace(from, to) {
  try {
    renameSync(from, to);
  } catch (error) {
    if (!existsSync(join(to, registryRunner))) throw error;
  }
}

function scratchDirectory(cacheDir) {
  const path = join(cacheDir, `.fetching-${process.pid}-${Date.now()}`);
  mkdirSync(path, { recursive: true });
  return path;
}

function readKept(path) {
  try {
    const kept = JSON.parse(readFileSync(path, 'utf8'));
    return Array.isArray(kept.jars) ? kept : undefined;
  } catch {
    return undefined; // not fetched yet, or an older layout: fetched again
  }
}

const maven = (args) => run('mvn', ['-B', '-q', ...args]);

/** Runs a program to its end. What it printed is shown only when it failed. */
function run(program, args) {
  return new Promise((resolve, reject) => {
    const child = spawnGuarded(program, args, { output: 'pipe', graceSeconds: 5 });
    let output = '';
    const collect = (chunk) => {
      output = (output + chunk).slice(-4000);
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.once('error', (error) => reject(new Error(`${program}: ${error.message}`, { cause: error })));
    child.once('close', (code) =>
      code === 0 ? resolve(undefined) : reject(new Error(`${program} ${args.join(' ')} failed:\n${output}`)),
    );
  });
}
