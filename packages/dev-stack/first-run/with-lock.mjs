import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { kill, pid } from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';

const deadlineMs = 15 * 60 * 1000;

/**
 * Runs `work` while holding a lock file that names our pid. A lock whose process is gone is taken over.
 * Node 20 has no lock that the kernel would release, so that the pid has to do.
 * @template T
 * @param {string} cacheDir
 * @param {string} name
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withLock(cacheDir, name, work) {
  const directory = join(cacheDir, 'locks');
  mkdirSync(directory, { recursive: true });
  const path = join(directory, `${name}.lock`);
  const untilMs = Date.now() + deadlineMs;
  while (!take(path)) {
    const owner = ownerOf(path);
    if (owner !== undefined && !isAlive(owner)) putAside(path, owner);
    else if (Date.now() > untilMs)
      throw new Error(`${path} has been held by process ${owner} for 15 minutes`);
    else await delay(200);
  }
  try {
    return await work();
  } finally {
    rmSync(path, { force: true });
  }
}

/** Appears whole, pid included, or not at all: a link is atomic and refuses to overwrite. */
function take(path) {
  const mine = `${path}.${pid}`;
  writeFileSync(mine, String(pid));
  try {
    linkSync(mine, path);
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    return false;
  } finally {
    rmSync(mine, { force: true });
  }
}

function ownerOf(path) {
  try {
    return Number(readFileSync(path, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined; // just released
    throw error;
  }
}

function isAlive(owner) {
  try {
    kill(owner, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Between our look and our rename somebody else may have taken the lock anew: that one goes back. */
function putAside(path, deadOwner) {
  const aside = `${path}.stale.${pid}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (error.code === 'ENOENT') return;
    throw error;
  }
  if (ownerOf(aside) !== deadOwner) linkSync(aside, path);
  rmSync(aside, { force: true });
}
