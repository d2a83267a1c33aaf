// Runs a script on the pinned Node after making sure that all it needs is there:
//
//   node packages/dev-stack/first-run.mjs SCRIPT [ARGS...]
//
// Plain JavaScript without dependencies, for any Node from 20: this runs before anything is installed.

import { env, exit, stderr } from 'node:process';
import { ensureNpmPackages } from './first-run/npm-packages.mjs';
import { missingFromMachine } from './first-run/machine.mjs';
import { runOnPinnedNode } from './first-run/pinned-node.mjs';
import { withLock } from './first-run/with-lock.mjs';
import { cacheDirectory, ensureJvmParts, jvmPartsCached } from './jvm/jvm-parts.mjs';

const say = (line) => stderr.write(`${line}\n`);

/** What is wrong with the machine, rather than with us: one line says it, without a stack. */
class CannotRun extends Error {}

async function prepare() {
  const cacheDir = cacheDirectory(env);
  const wantsJvm = env.METERHOUSE_STACK !== 'containers';
  const missing = missingFromMachine({ java: wantsJvm, maven: wantsJvm && !jvmPartsCached(cacheDir) });
  if (missing) throw new CannotRun(missing);
  await ensureNpmPackages({ cacheDir, say });
  if (wantsJvm && !jvmPartsCached(cacheDir)) {
    await withLock(cacheDir, 'jvm-parts', () => ensureJvmParts({ cacheDir, say }));
  }
}

const [script, ...args] = process.argv.slice(2);
if (script === undefined) {
  say('usage: node packages/dev-stack/first-run.mjs SCRIPT [ARGS...]');
  exit(2);
}
try {
  await prepare();
} catch (error) {
  say(error instanceof CannotRun ? error.message : `Meterhouse could not be set up: ${error.message}`);
  exit(1);
}
runOnPinnedNode(script, args);
