import type { Pool } from 'pg';
import type { Registry } from '@meterhouse/usage';
import { loadRegistry } from '../registry.ts';

/**
 * The registry as this process last read it. It may be old: the flush compares the version under
 * lock and asks for a reload when it is.
 */
export class RegistryCache {
  readonly #pool: Pool;
  #current: Registry | null = null;
  #loading: Promise<Registry> | null = null;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  async get(): Promise<Registry> {
    return this.#current ?? (await this.reload());
  }

  /** Concurrent callers share one read. */
  async reload(): Promise<Registry> {
    this.#loading ??= loadRegistry(this.#pool).finally(() => {
      this.#loading = null;
    });
    this.#current = await this.#loading;
    return this.#current;
  }
}
