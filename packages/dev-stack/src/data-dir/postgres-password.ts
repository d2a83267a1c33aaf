import { randomBytes } from 'node:crypto';
import { keptSecret } from './kept-secret.ts';

/** One for each data dir: any local user can reach a loopback port. */
export function postgresPassword(dataDir: string): string {
  return keptSecret(dataDir, 'postgres.password.txt', () => randomBytes(18).toString('base64url'));
}
