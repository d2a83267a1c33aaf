import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeAtomically } from './write-atomically.ts';

/** One for each data dir, made with it: any local user can reach a loopback port. */
export function postgresPassword(dataDir: string): string {
  const path = join(dataDir, 'postgres.password.txt');
  if (existsSync(path)) return readFileSync(path, 'utf8').trim();
  const password = randomBytes(18).toString('base64url');
  writeAtomically(path, `${password}\n`);
  return password;
}
