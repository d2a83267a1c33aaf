/** What an import sent: distinct events and their exact sums by metric, and the time they span. */
import { hash } from 'node:crypto';
import type { ProducerTotal } from '@meterhouse/postgres';
import { contentDigest, parseDecimal, type UsageEvent } from '@meterhouse/usage';
import type { DigestCounts } from '../digest-counts.ts';

export class ImportTotals {
  readonly byMetric = new Map<string, ProducerTotal>();
  /** Event times, epoch ms; null while there is none. */
  earliest: number | null = null;
  latest: number | null = null;
  /** Events that had stood further up in the file with the same id and content. */
  repeated = 0;
  readonly #seenEvents: DigestCounts;

  constructor(seenEvents: DigestCounts) {
    this.#seenEvents = seenEvents;
  }

  /**
   * @param ownId whether the row carried its id: a derived one cannot occur twice, so it need not be
   *   remembered
   */
  add(event: UsageEvent, ownId: boolean): void {
    const value = parseDecimal(event.value);
    // The event was normalized before it was sent.
    if (typeof value !== 'bigint') throw new TypeError(`an acknowledged event with the value ${event.value}`);
    if (ownId) {
      const identity = `${event.tenantId}\0${event.id}\0${contentDigest(event, value)}`;
      if (this.#seenEvents.add(hash('sha256', identity, 'buffer')) > 1) {
        this.repeated += 1;
        return;
      }
    }
    const before = this.byMetric.get(event.metric) ?? { events: 0n, sum: 0n };
    this.byMetric.set(event.metric, { events: before.events + 1n, sum: before.sum + value });
    if (this.earliest === null || event.ts < this.earliest) this.earliest = event.ts;
    if (this.latest === null || event.ts > this.latest) this.latest = event.ts;
  }
}
