import { setTimeout as delay } from 'node:timers/promises';
import type { Ledger } from './ledger.ts';
import { atOnePoint, missingOf, readWatermark } from './read-postgres.ts';

const PROBE_EVERY_MS = 1_500;
const SAMPLE = 400;

/**
 * I6: what the watermark promises must hold at every moment, also while everything breaks. Events that
 * the broker had acknowledged before the watermark must be counted or in quarantine by now.
 */
export class WatermarkProbe {
  readonly #ledger: Ledger;
  readonly #stopping = new AbortController();
  readonly #done: Promise<void>;
  probes = 0;
  lies = 0;
  firstLie: string | null = null;

  constructor(ledger: Ledger, url: string, topic: string, partitions: number) {
    this.#ledger = ledger;
    this.#done = this.#run(() => this.#probe(url, topic, partitions));
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#done;
  }

  async #run(probe: () => Promise<void>): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      // Postgres is away now and then: a probe that cannot ask proves nothing either way.
      await probe().catch(() => undefined);
      await delay(PROBE_EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #probe(url: string, topic: string, partitions: number): Promise<void> {
    await atOnePoint(url, async (client) => {
      const watermark = await readWatermark(client, topic, partitions);
      if (watermark === null) return;
      const entries = this.#ledger.acknowledgedBefore(watermark, SAMPLE);
      const missing = await missingOf(client, entries);
      this.probes += 1;
      this.lies += missing.length;
      const [first] = missing;
      if (first !== undefined)
        this.firstLie ??= `watermark ${new Date(watermark).toISOString()} covers ${first.tenantId} ${first.id}, which is nowhere`;
    });
  }
}
