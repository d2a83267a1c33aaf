import type { Pool } from 'pg';
import { dedupPeriod, ensurePeriods, type AcceptedRecord } from '../flush/index.ts';

/** Makes sure that de-duplication has a partition for every period of a batch before it is counted. */
export class DedupPeriods {
  readonly #pool: Pool;
  readonly #known = new Set<number>();

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  async ensureFor(records: readonly AcceptedRecord[]): Promise<void> {
    const missing = new Set<number>();
    for (const record of records) {
      const period = dedupPeriod(record.event.ts);
      if (!this.#known.has(period)) missing.add(period);
    }
    for (const period of missing) {
      await ensurePeriods(this.#pool, period, period);
      this.#known.add(period);
    }
  }

  forget(periods: readonly number[]): void {
    for (const period of periods) this.#known.delete(period);
  }
}
