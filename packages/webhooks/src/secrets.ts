/**
 * Secrets that messages are signed with. They have to be used, so they cannot be hashed like keys: at
 * rest they are sealed with AES-256-GCM, under a key from the configuration that the database never sees.
 */
import { createCipheriv, createDecipheriv, createHash } from 'node:crypto';

export const SECRET_BYTES = 32;
const PREFIX = 'whsec_';
const KEY_BYTES = 32;
const [VERSION, KEY_ID_BYTES, NONCE_BYTES, TAG_BYTES] = [1, 4, 12, 16];
const HEAD_BYTES = 1 + KEY_ID_BYTES + NONCE_BYTES + TAG_BYTES;
const ALGORITHM = 'aes-256-gcm';

/** @param random so many bytes of a cryptographic source */
export function secretText(random: Uint8Array): string {
  if (random.length !== SECRET_BYTES) throw new RangeError(`a secret takes ${SECRET_BYTES} random bytes`);
  return `${PREFIX}${Buffer.from(random).toString('base64')}`;
}

/** It was sealed with a key that is not configured, for another webhook, or is not what was written. */
export class UnsealableError extends Error {
  constructor(why: string, cause?: unknown) {
    super(`the secret of a webhook cannot be opened: ${why}`, { cause });
    this.name = 'UnsealableError';
  }
}

interface SealingKey {
  readonly id: Buffer;
  readonly key: Buffer;
}

/** Sealed: version, key id, nonce, tag, ciphertext. The webhook's id is bound in, so that no row can borrow another's. */
export class SecretBox {
  readonly #keys: readonly SealingKey[];
  readonly #random: (bytes: number) => Uint8Array;

  /**
   * @param keys in base64, 32 bytes each; the first one seals, all of them open
   * @param random a cryptographic source
   * @throws RangeError for what is no such key; its value is not in the message
   */
  constructor(keys: readonly string[], random: (bytes: number) => Uint8Array) {
    if (keys.length === 0) throw new RangeError('sealing takes a key');
    this.#keys = keys.map((text) => {
      const key = Buffer.from(text, 'base64');
      if (key.length !== KEY_BYTES) throw new RangeError(`a sealing key has ${KEY_BYTES} bytes in base64`);
      return { key, id: createHash('sha256').update(key).digest().subarray(0, KEY_ID_BYTES) };
    });
    this.#random = random;
  }

  seal(webhookId: string, secret: string): Buffer {
    const [first] = this.#keys;
    if (first === undefined) throw new RangeError('sealing takes a key');
    const nonce = this.#random(NONCE_BYTES);
    const cipher = createCipheriv(ALGORITHM, first.key, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(Buffer.from(webhookId, 'utf8'));
    const sealed = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()]);
    return Buffer.concat([Buffer.from([VERSION]), first.id, nonce, cipher.getAuthTag(), sealed]);
  }

  /** @throws UnsealableError */
  open(webhookId: string, sealed: Buffer): string {
    if (sealed.length <= HEAD_BYTES || sealed[0] !== VERSION)
      throw new UnsealableError('it is no sealed secret');
    const id = sealed.subarray(1, 1 + KEY_ID_BYTES);
    const by = this.#keys.find((each) => each.id.equals(id));
    if (by === undefined) throw new UnsealableError(`no key ${id.toString('hex')} is configured`);
    const nonce = sealed.subarray(1 + KEY_ID_BYTES, HEAD_BYTES - TAG_BYTES);
    const decipher = createDecipheriv(ALGORITHM, by.key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.from(webhookId, 'utf8'));
    decipher.setAuthTag(sealed.subarray(HEAD_BYTES - TAG_BYTES, HEAD_BYTES));
    try {
      return decipher.update(sealed.subarray(HEAD_BYTES), undefined, 'utf8') + decipher.final('utf8');
    } catch (error) {
      throw new UnsealableError('it is not what was sealed for this webhook', error);
    }
  }
}
