import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { spawnGuarded } from './guarded-spawn.mjs';
import { withLock } from './with-lock.mjs';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const stamp = join(root, 'node_modules', '.meterhouse-installed');

/**
 * Installs the npm packages when they are missing or come from another package-lock.json.
 * @param {{ cacheDir: string, say: (line: string) => void }} options
 */
export async function ensureNpmPackages({ cacheDir, say }) {
  if (isInstalled()) return;
  const lockName = `npm-install-${sha256(root).slice(0, 16)}`;
  await withLock(cacheDir, lockName, async () => {
    if (isInstalled()) return; // by the one that held the lock before us
    say('Installing npm packages (first run, about a minute)…');
    // Not `npm ci`: some registry mirrors lack the optional packages of other platforms, and `npm ci` then
    // refuses a correct lock. `--no-save` keeps npm from writing what it found back into that lock.
    await npm(['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error']);
    writeFileSync(stamp, lockHash());
  });
}

function isInstalled() {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === lockHash();
}

function lockHash() {
  return sha256(readFileSync(join(root, 'package-lock.json')));
}

function sha256(content) {
  return createHash('sha256').update(content).digest('hex');
}

function npm(args) {
  return new Promise((resolve, reject) => {
    // npm's own words go to stderr: stdout belongs to the script that follows.
    const child = spawnGuarded('npm', args, { cwd: root, output: 2, graceSeconds: 5 });
    child.once('error', (error) => reject(new Error(`npm could not be started: ${error.message}`)));
    child.once('close', (code) =>
      code === 0 ? resolve(undefined) : reject(new Error(`npm ${args.join(' ')} ended with code ${code}`)),
    );
  });
}
