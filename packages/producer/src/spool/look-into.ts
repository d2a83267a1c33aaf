/**
 * Reads a spool file for a person, also while a process holds it: its lock keeps everybody else from opening
 * it, so a copy is read. Never in a process that holds a spool itself: closing the file that was copied would
 * end that process's locks.
 */
import { constants, copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { SpoolFile } from './spool-file.ts';

const COPY_ATTEMPTS = 20;
/** SQLite's write-ahead log begins with 32 bytes, whose numbers change whenever it begins anew. */
const LOG_HEADER_BYTES = 32;

/**
 * @param read gets the file, or a copy of what it was a moment ago; it writes nothing
 * @throws Error where it is no spool file, or cannot be read
 */
export async function lookInto<T>(
  path: string,
  read: (file: SpoolFile) => T,
): Promise<{ readonly isHeld: boolean; readonly found: T }> {
  const file = SpoolFile.open(path, 'process');
  if (file !== null)
    try {
      return { isHeld: false, found: read(file) };
    } finally {
      file.close();
    }
  const folder = mkdtempSync(join(tmpdir(), 'meterhouse-spool-copy-'));
  try {
    const copy = join(folder, basename(path));
    await copyHeld(path, copy);
    const copied = SpoolFile.open(copy, 'process');
    if (copied === null) throw new Error(`${copy}: another process holds the copy`);
    try {
      return { isHeld: true, found: read(copied) };
    } finally {
      copied.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * A copy is the file as of one moment where its log did not begin anew meanwhile: each page that the holder
 * may have written to the file while we read it is in the log too, and the log stands above the file.
 */
async function copyHeld(path: string, copy: string): Promise<void> {
  const log = `${path}-wal`;
  for (let attempt = 0; attempt < COPY_ATTEMPTS; attempt++) {
    const before = await headerOf(log);
    copyFileSync(path, copy, constants.COPYFILE_FICLONE);
    if (before !== null) copyFileSync(log, `${copy}-wal`, constants.COPYFILE_FICLONE);
    if (before === (await headerOf(log))) return;
    rmSync(`${copy}-wal`, { force: true });
  }
  throw new Error(`${path} changes faster than it can be copied; try again`);
}

/** @returns null where there is no log */
async function headerOf(log: string): Promise<string | null> {
  const handle = await open(log).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  });
  if (handle === null) return null;
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(LOG_HEADER_BYTES), 0, LOG_HEADER_BYTES, 0);
    return buffer.toString('hex', 0, bytesRead);
  } finally {
    await handle.close();
  }
}
