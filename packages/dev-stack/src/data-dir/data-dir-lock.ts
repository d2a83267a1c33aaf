import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { DataDirInUseError } from '../stack.ts';

/**
 * Takes the data dir for this process. SQLite's file lock is the kernel's: it goes with the process, also
 * when that is killed, so there is no stale lock to guess about. The pid beside it is only for the message.
 */
export function lockDataDir(dataDir: string): { release: () => void } {
  mkdirSync(dataDir, { recursive: true });
  const ownerPath = join(dataDir, 'owner.pid');
  const database = new DatabaseSync(join(dataDir, 'owner.lock'), { timeout: 0 });
  try {
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (!isBusy(error)) throw error;
    throw new DataDirInUseError(
      `The data dir ${dataDir} is in use by process ${readOwner(ownerPath)}: stop that stack first, or take another --data-dir.`,
      { cause: error },
    );
  }
  writeFileSync(ownerPath, `${process.pid}\n`);
  return { release: () => database.close() };
}

function isBusy(error: unknown): boolean {
  const sqliteBusy = 5;
  return error instanceof Error && 'errcode' in error && error.errcode === sqliteBusy;
}

function readOwner(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '(unknown)'; // taken this very moment: the lock comes before the pid
  }
}
