import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeAtomically } from './write-atomically.ts';

/** A secret of the data dir, made with it, in a file that only its owner may read. */
export function keptSecret(dataDir: string, file: string, make: () => string): string {
  const path = join(dataDir, file);
  if (existsSync(path)) return readFileSync(path, 'utf8').trim();
  const secret = make();
  writeAtomically(path, `${secret}\n`);
  return secret;
}
