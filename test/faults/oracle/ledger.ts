/** What the broker has acknowledged to producers, one entry an id of a tenant. */
import { createHash } from 'node:crypto';
import type { Acknowledged, Fate } from '../workload/planned-event.ts';
import { METRICS_BY_NAME } from '../workload/registry.ts';
import { attrsText } from './totals.ts';

/** One content under an id; a second one contradicts the first. */
export interface Variant {
  readonly metric: string;
  readonly value: string;
  readonly ts: number;
  /** The grouping attributes in one spelling. */
  readonly attrs: string;
  readonly fate: Fate;
}

export interface Entry {
  readonly tenantId: string;
  readonly id: string;
  readonly variants: Variant[];
}

export function entryKey(tenantId: string, id: string): string {
  return `${tenantId}\0${id}`;
}

/** The identity that de-duplication gives an id: itself where it is a UUID, else the head of its SHA-256. */
export function dedupKey(id: string): string {
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)) return id;
  const hex = createHash('sha256').update(id).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    '-',
  );
}

/** Acknowledgements that the watermark is tried on; older ones have been tried often enough. */
const RECENT = 100_000;

export class Ledger {
  readonly entries = new Map<string, Entry>();
  /** Entry keys by the hash of a message that cannot be read. */
  readonly unreadable = new Map<string, string>();
  readonly #recent: { readonly key: string; readonly at: number }[] = [];
  #events = 0;
  #bad = 0;

  /** Distinct events. */
  get events(): number {
    return this.#events;
  }

  get bad(): number {
    return this.#bad;
  }

  add({ event, fate, payload, at }: Acknowledged): void {
    const key = entryKey(event.tenantId, event.id);
    const groupBy = METRICS_BY_NAME.get(event.metric)?.groupBy ?? [];
    const attrs = Object.fromEntries(Object.entries(event.attrs).filter(([name]) => groupBy.includes(name)));
    const variant = {
      metric: event.metric,
      value: event.value,
      ts: event.ts,
      attrs: attrsText(attrs),
      fate,
    };
    const entry = this.entries.get(key);
    if (entry === undefined)
      this.entries.set(key, { tenantId: event.tenantId, id: event.id, variants: [variant] });
    else entry.variants.push(variant);
    if (payload !== null) this.unreadable.set(payload, key);
    this.#events += 1;
    if (fate !== 'counted') this.#bad += 1;
    this.#recent.push({ key, at });
    if (this.#recent.length > 2 * RECENT) this.#recent.splice(0, RECENT);
  }

  /** Entries that the broker had acknowledged before an instant, the last ones first. */
  acknowledgedBefore(instant: number, most: number): readonly Entry[] {
    const found: Entry[] = [];
    for (let i = this.#recent.length - 1; i >= 0 && found.length < most; i--) {
      const recent = this.#recent[i];
      if (recent === undefined || recent.at >= instant) continue;
      const entry = this.entries.get(recent.key);
      if (entry !== undefined) found.push(entry);
    }
    return found;
  }
}
