import { renameSync, writeFileSync } from 'node:fs';

/** Readers see the old content or the new one, never half of it. Only the owner may read: it may hold a password. */
export function writeAtomically(path: string, text: string): void {
  const next = `${path}.${process.pid}.next`;
  writeFileSync(next, text, { mode: 0o600 });
  renameSync(next, path);
}
