/**
 * The files of a spool's folder. A process writes to one of its own; those of processes that are gone are
 * taken over by whoever comes. No file is ever deleted: a process that opens one just as another deletes
 * it would write to what nobody can find. So there are as many as there were processes at once.
 */
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { SpoolFile, type SpoolDurability } from './spool-file.ts';

const SUFFIX = '.spool';

export interface SpoolFolderOptions {
  readonly folder: string;
  readonly durability: SpoolDurability;
  /** Of a new file; never given twice. */
  readonly newName: () => string;
  /** A file that cannot be opened is left alone, and told about. */
  readonly onUnreadable: (error: Error) => void;
}

/** The paths of a folder's spool files, in the order of their names. @throws Error where there is no such folder */
export function spoolFilesIn(folder: string): string[] {
  const names = readdirSync(folder).filter((name) => name.endsWith(SUFFIX));
  return names.sort().map((name) => join(folder, name));
}

/** Each is another file, and a process that looks for orphans holds one for a moment only. */
const CLAIMS = 100;

/**
 * A file that nobody holds, the oldest name first, or a new one.
 * @throws Error where the folder or a new file cannot be made
 */
export function claimSpoolFile(options: SpoolFolderOptions): SpoolFile {
  mkdirSync(options.folder, { recursive: true, mode: 0o700 });
  for (let claim = 0; claim < CLAIMS; claim++) {
    for (const file of freeFiles(options, () => true)) return file;
    const file = SpoolFile.create(join(options.folder, `${options.newName()}${SUFFIX}`), options.durability);
    if (file !== null) return file;
  }
  throw new Error(`${options.folder}: others took each of ${CLAIMS} new spool files before this process did`);
}

/** A file with events that nobody holds, or null. */
export function claimOrphan(options: SpoolFolderOptions): SpoolFile | null {
  for (const file of freeFiles(options, ({ events }) => events > 0)) return file;
  return null;
}

/** Opens one after the other; those that are not wanted are closed again. */
function* freeFiles(
  { folder, durability, onUnreadable }: SpoolFolderOptions,
  wanted: (file: SpoolFile) => boolean,
): Generator<SpoolFile> {
  for (const path of spoolFilesIn(folder)) {
    let file: SpoolFile | null = null;
    try {
      file = SpoolFile.open(path, durability);
    } catch (error) {
      onUnreadable(error instanceof Error ? error : new Error(String(error)));
    }
    if (file === null) continue;
    if (wanted(file)) yield file;
    else file.close();
  }
}
