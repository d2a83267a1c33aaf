/** Whether ClickHouse holds what Postgres holds: compared now and then, by the worker that mirrors. */
import { compareMirror, type ClickHouse } from '@meterhouse/clickhouse';
import { mirrorComparisonSource, type Pool } from '@meterhouse/postgres';
import type { Logger } from '@meterhouse/runtime';
import type { Metrics } from '@meterhouse/runtime/metrics';
import { HOUR_MS } from '@meterhouse/usage';
import { DRIFT_METRICS } from './metrics.ts';

/** `meterhouse reconcile` compares everything; this one is to see that something goes wrong now. */
const BACK_MS = 48 * HOUR_MS;
const LISTED = 3;

export interface MirrorDriftDeps {
  readonly pool: Pool;
  readonly clickhouse: ClickHouse;
  readonly logger: Logger;
  /** Epoch ms. */
  readonly now: () => number;
}

export class MirrorDrift {
  readonly #deps: MirrorDriftDeps;
  #last: { readonly different: number; readonly compared: number; readonly at: number } | null = null;
  /** Of the first attempt since this worker mirrors: one that cannot be made must not look like one that is new. */
  #since: number | null = null;

  constructor(deps: MirrorDriftDeps) {
    this.#deps = deps;
  }

  exportTo(metrics: Metrics): void {
    metrics.value(DRIFT_METRICS.drift, () => this.#last?.different ?? null);
    metrics.value(DRIFT_METRICS.compared, () => this.#last?.compared ?? null);
    metrics.value(DRIFT_METRICS.age, () => {
      const at = this.#last?.at ?? this.#since;
      return at === null ? null : Math.max(0, this.#deps.now() - at) / 1_000;
    });
  }

  /** Another worker mirrors, and compares. */
  forget(): void {
    this.#last = null;
    this.#since = null;
  }

  /** @throws where the mirror is too far behind to be compared: that is lag, and no drift */
  async compare(signal: AbortSignal): Promise<void> {
    const { pool, clickhouse, logger, now } = this.#deps;
    const at = now();
    this.#since ??= at;
    const found = await compareMirror({
      clickhouse,
      source: mirrorComparisonSource(pool),
      fromHour: at - (at % HOUR_MS) - BACK_MS,
      maxListed: LISTED,
      signal,
    });
    if (found.mirrorBehind) throw new Error('the mirror did not come up with Postgres in time');
    this.#last = { different: found.different, compared: found.postgresBuckets, at };
    if (found.different > 0)
      logger.error(
        { buckets: found.different, first: found.listed.map(({ key }) => key) },
        'ClickHouse does not hold what Postgres holds: meterhouse rebuild clickhouse',
      );
  }
}
