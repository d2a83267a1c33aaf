import { randomBytes } from 'node:crypto';

/** Kafka's own form of a UUID, which must not look like an option of its tools. */
export function newClusterId(): string {
  return randomBytes(16).toString('base64url').replace(/^-/, 'M');
}
