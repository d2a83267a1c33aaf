/** An API key as its holder has it: `mh_<key id>_<secret>`. Pure. */
import { createHash, timingSafeEqual } from 'node:crypto';

/** Random bytes that a key is made of: 8 for its id, 32 for its secret. */
export const KEY_ID_BYTES = 8;
export const SECRET_BYTES = 32;

/** `keyId` may be shown and logged; `text` is the whole key, and nothing but its holder may keep it. */
export interface NewKey {
  readonly keyId: string;
  readonly text: string;
  /** SHA-256 of the secret: what is stored. */
  readonly secretHash: Buffer;
}

/**
 * @param random from a cryptographic source, of the lengths above
 * @throws RangeError for another length
 */
export function makeKey(random: { readonly keyId: Uint8Array; readonly secret: Uint8Array }): NewKey {
  if (random.keyId.length !== KEY_ID_BYTES)
    throw new RangeError(`a key id takes ${KEY_ID_BYTES} random bytes`);
  return makeSecret(Buffer.from(random.keyId).toString('hex'), random.secret);
}

/** A new secret for a key that is there. */
export function makeSecret(keyId: string, secret: Uint8Array): NewKey {
  if (secret.length !== SECRET_BYTES) throw new RangeError(`a secret takes ${SECRET_BYTES} random bytes`);
  const text = Buffer.from(secret).toString('base64url');
  return { keyId, text: `mh_${keyId}_${text}`, secretHash: hashOf(text) };
}

export interface KeyText {
  readonly keyId: string;
  readonly secretHash: Buffer;
}

// The id has a fixed length, so an underscore in the secret is no second border.
const KEY_TEXT = /^mh_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/;

/** @returns null for what cannot be a key */
export function parseKeyText(text: string): KeyText | null {
  const [, keyId, secret] = KEY_TEXT.exec(text) ?? [];
  return keyId === undefined || secret === undefined ? null : { keyId, secretHash: hashOf(secret) };
}

/** Of a key as it is stored, what says whether it opens. Instants are epoch ms. */
export interface KeyStanding {
  readonly secretHash: Buffer;
  readonly previousHash: Buffer | null;
  readonly previousValidUntil: number | null;
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
}

/** `wrong_secret` also for one that was rotated away and whose overlap is over. */
export type KeyVerdict = 'valid' | 'wrong_secret' | 'revoked' | 'expired';

/**
 * Both hashes are always compared, each in constant time. Whether a key is revoked or expired is told
 * to nobody who does not have its secret.
 * @param now epoch ms
 */
export function judgeKey(stored: KeyStanding, asked: KeyText, now: number): KeyVerdict {
  const current = timingSafeEqual(stored.secretHash, asked.secretHash);
  const previous = timingSafeEqual(stored.previousHash ?? stored.secretHash, asked.secretHash);
  const overlaps = stored.previousValidUntil !== null && now < stored.previousValidUntil;
  if (!current && !(previous && overlaps)) return 'wrong_secret';
  if (stored.revokedAt !== null) return 'revoked';
  return stored.expiresAt !== null && now >= stored.expiresAt ? 'expired' : 'valid';
}

function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret, 'utf8').digest();
}
