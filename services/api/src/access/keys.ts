/** From an API key's text to who it is: looked up in Postgres, judged here, and kept for a moment. */
import type { Logger } from '@meterhouse/runtime';
import { judgeKey, parseKeyText, type ApiKey, type KeyStanding } from '@meterhouse/postgres/access';
import { LRUCache } from 'lru-cache';
import type { Principal } from './roles.ts';

/** What the keys are kept in. */
export interface KeyStore {
  find(keyId: string): Promise<(ApiKey & KeyStanding) | null>;
  /** Notes that it was used. */
  touch(keyId: string): Promise<void>;
}

export interface KeyRingOptions {
  readonly store: KeyStore;
  readonly logger: Logger;
  /** Epoch ms. */
  readonly now: () => number;
  readonly bounds?: KeyRingBounds;
}

export interface KeyRingBounds {
  readonly maxKeys: number;
  /** For how long a revoked key may still open, and a new one may still be unknown. */
  readonly maxAgeMs: number;
  /** Between two notes of a key's use. */
  readonly touchEveryMs: number;
}

const BOUNDS: KeyRingBounds = { maxKeys: 10_000, maxAgeMs: 2_000, touchEveryMs: 60_000 };

export class KeyRing {
  readonly #options: KeyRingOptions;
  readonly #bounds: KeyRingBounds;
  /** As stored, also that there is none: guessing ids must not become queries. */
  readonly #known: LRUCache<string, { readonly key: (ApiKey & KeyStanding) | null }>;
  readonly #touched: LRUCache<string, true>;

  constructor(options: KeyRingOptions) {
    this.#options = options;
    this.#bounds = options.bounds ?? BOUNDS;
    const { maxKeys: max, maxAgeMs, touchEveryMs } = this.#bounds;
    this.#known = new LRUCache({ max, ttl: maxAgeMs });
    this.#touched = new LRUCache({ max, ttl: touchEveryMs });
  }

  /** Null: not a key of ours, or not in force. */
  async principalOf(text: string): Promise<Principal | null> {
    const asked = parseKeyText(text);
    if (asked === null) return null;
    const stored = await this.#find(asked.keyId);
    if (stored === null || judgeKey(stored, asked, this.#options.now()) !== 'valid') return null;
    this.#touch(stored.keyId);
    return { type: 'api_key', id: stored.keyId, role: stored.role, tenantId: stored.tenantId };
  }

  async #find(keyId: string): Promise<(ApiKey & KeyStanding) | null> {
    const known = this.#known.get(keyId);
    if (known !== undefined) return known.key;
    const key = await this.#options.store.find(keyId);
    this.#known.set(keyId, { key });
    return key;
  }

  /** Nobody waits for the note, and a request does not fail for it. */
  #touch(keyId: string): void {
    if (this.#touched.has(keyId)) return;
    this.#touched.set(keyId, true);
    this.#options.store.touch(keyId).catch((error: unknown) => {
      this.#touched.delete(keyId);
      this.#options.logger.warn({ err: error, keyId }, 'the use of a key could not be noted');
    });
  }
}
