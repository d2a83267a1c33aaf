/**
 * Counts what Kafka holds: distinct events, told by tenant, id and content, each put where Postgres
 * should have it.
 *
 * An event is *counted* unless every delivery of it ended in quarantine. The quarantine says of each
 * row how many deliveries it took; a delivery more than these went the ordinary way. A row that was
 * replayed and counted says so itself.
 */
import { hash } from 'node:crypto';
import { contentDigest, parseDecimal, type Registry, type UsageEvent } from '@meterhouse/usage';
import type { ProducerTotals, QuarantinedDelivery } from '@meterhouse/postgres';
import type { DigestCounts } from '../digest-counts.ts';
import { attrsKeyOf, hourStart, type BucketLedger } from './ledger-of-buckets.ts';
import { addTo, type Total } from './sums.ts';

/** Stands for the metric of a message that cannot be read. */
export const UNREADABLE = '(unreadable)';

/** Where a message stands in Kafka. */
export interface Place {
  readonly partition: number;
  readonly offset: bigint;
}

export interface KafkaTotals {
  /** Distinct events by metric; `counted`, `waiting` and `discarded` add up to `distinct`. */
  readonly distinct: Map<string, Total>;
  readonly counted: Map<string, Total>;
  readonly waiting: Map<string, Total>;
  readonly discarded: Map<string, Total>;
  /** Distinct events by reported source, then metric. */
  readonly bySource: Map<string, Map<string, Total>>;
  readonly messages: bigint;
  /** Messages that can neither be counted nor are in quarantine: the first ones. */
  readonly unaccounted: readonly Place[];
  readonly unaccountedCount: bigint;
  /** Quarantine rows that no message was found for: the first ones. */
  readonly orphans: readonly QuarantinedDelivery[];
  readonly orphanCount: bigint;
}

/** What the quarantine holds of one event. */
interface Case {
  rows: QuarantinedDelivery[];
  deliveries: bigint;
  /** It was seen before its quarantine row was met: so it had gone the ordinary way. */
  seenBefore: boolean;
  event: UsageEvent | null;
}

const LISTED = 20;

export class KafkaCount {
  readonly #ledger: BucketLedger;
  readonly #registry: Registry;
  readonly #reports: ReadonlyMap<string, ProducerTotals>;
  readonly #seen: DigestCounts;
  readonly #byPlace = new Map<string, QuarantinedDelivery>();
  readonly #cases = new Map<string, Case>();
  readonly #unreadable = new Set<string>();
  readonly #distinct = new Map<string, Total>();
  readonly #counted = new Map<string, Total>();
  readonly #waiting = new Map<string, Total>();
  readonly #discarded = new Map<string, Total>();
  readonly #bySource = new Map<string, Map<string, Total>>();
  readonly #unaccounted: Place[] = [];
  #unaccountedCount = 0n;
  #messages = 0n;

  /** @param seen bounds how many different events can be told apart */
  constructor(options: {
    readonly ledger: BucketLedger;
    readonly registry: Registry;
    readonly reports: ReadonlyMap<string, ProducerTotals>;
    readonly quarantined: readonly QuarantinedDelivery[];
    readonly seen: DigestCounts;
  }) {
    this.#ledger = options.ledger;
    this.#registry = options.registry;
    this.#reports = options.reports;
    this.#seen = options.seen;
    for (const row of options.quarantined) {
      this.#byPlace.set(placeText(row), row);
      if (!namesEvent(row)) continue;
      const key = `${row.tenantId}\0${row.eventId}\0${row.content}`;
      const known = this.#cases.get(key);
      if (known === undefined)
        this.#cases.set(key, { rows: [row], deliveries: 0n, seenBefore: false, event: null });
      else known.rows.push(row);
    }
  }

  /** @param event null where the message cannot be read */
  add(place: Place, event: UsageEvent | null): void {
    this.#messages += 1n;
    if (event === null) {
      this.#addUnreadable(place);
      return;
    }
    const value = parseDecimal(event.value);
    const content = contentDigest(event, typeof value === 'bigint' ? value : null);
    const isNew = this.#seen.add(digest(`${event.tenantId}\0${event.id}\0${content}`)) === 1;
    this.#addToSource(event, content);
    const amount = { events: 1n, sum: typeof value === 'bigint' ? value : 0n };
    if (isNew) addTo(this.#distinct, event.metric, amount);
    const open = this.#caseOf(place, event, content, isNew);
    if (open !== null) {
      open.deliveries += 1n;
      open.event = event;
    } else if (isNew) this.#count(event, amount);
  }

  #addUnreadable(place: Place): void {
    addTo(this.#distinct, UNREADABLE, { events: 1n, sum: 0n });
    const row = this.#byPlace.get(placeText(place));
    if (row === undefined) {
      this.#unaccountedCount += 1n;
      if (this.#unaccounted.length < LISTED) this.#unaccounted.push(place);
      return;
    }
    this.#unreadable.add(placeText(place));
    addTo(row.status === 'discarded' ? this.#discarded : this.#waiting, UNREADABLE, { events: 1n, sum: 0n });
  }

  /** Producers report distinct events of their own: what another source sent too is theirs all the same. */
  #addToSource(event: UsageEvent, content: bigint): void {
    if (!this.#reports.has(event.source)) return;
    if (this.#seen.add(digest(`${event.tenantId}\0${event.id}\0${content}\0${event.source}`)) > 1) return;
    const totals = this.#bySource.get(event.source) ?? new Map<string, Total>();
    this.#bySource.set(event.source, totals);
    const value = parseDecimal(event.value);
    addTo(totals, event.metric, { events: 1n, sum: typeof value === 'bigint' ? value : 0n });
  }

  #caseOf(place: Place, event: UsageEvent, content: bigint, isNew: boolean): Case | null {
    const key = `${stored(event.tenantId)}\0${stored(event.id)}\0${content}`;
    const known = this.#cases.get(key);
    // A row whose event could not be read when it came (its schema was not to be had) names no event.
    const atPlace = this.#byPlace.get(placeText(place));
    const row = atPlace !== undefined && !namesEvent(atPlace) ? atPlace : undefined;
    if (known !== undefined) {
      if (row !== undefined && !known.rows.includes(row)) known.rows.push(row);
      return known;
    }
    if (row === undefined) return null;
    const opened: Case = { rows: [row], deliveries: 0n, seenBefore: !isNew, event: null };
    this.#cases.set(key, opened);
    return opened;
  }

  #count(event: UsageEvent, amount: Total): void {
    addTo(this.#counted, event.metric, amount);
    const groupBy = this.#registry.metrics.get(event.metric)?.groupBy ?? [];
    this.#ledger.addKafka(
      {
        tenantId: event.tenantId,
        metric: event.metric,
        hour: hourStart(event.ts),
        attrsKey: attrsKeyOf(groupBy, event.attrs),
      },
      { value: amount.sum, ts: event.ts, id: event.id },
    );
  }

  /**
   * Settles what was left open until all deliveries were known. Once.
   * @param isReadable whether a place lies in what was read: a row from before it is no orphan
   */
  finish(isReadable: (place: Place) => boolean): KafkaTotals {
    for (const open of this.#cases.values()) this.#settle(open);
    const met = new Set<QuarantinedDelivery>();
    for (const open of this.#cases.values())
      if (open.event !== null) for (const row of open.rows) met.add(row);
    const orphans = [...this.#byPlace.values()].filter(
      (row) => !met.has(row) && !this.#unreadable.has(placeText(row)) && isReadable(row),
    );
    return {
      distinct: this.#distinct,
      counted: this.#counted,
      waiting: this.#waiting,
      discarded: this.#discarded,
      bySource: this.#bySource,
      messages: this.#messages,
      unaccounted: this.#unaccounted,
      unaccountedCount: this.#unaccountedCount,
      orphans: orphans.slice(0, LISTED),
      orphanCount: BigInt(orphans.length),
    };
  }

  #settle(open: Case): void {
    const { event, rows } = open;
    // Where it was seen before its row was met, it went the ordinary way and is in the sums already.
    if (event === null || open.seenBefore) return;
    const value = parseDecimal(event.value);
    const amount = { events: 1n, sum: typeof value === 'bigint' ? value : 0n };
    const quarantined = rows.reduce((sum, row) => sum + row.occurrences, 0n);
    const isCounted = rows.some((row) => row.status === 'counted') || open.deliveries > quarantined;
    if (isCounted) this.#count(event, amount);
    else
      addTo(
        rows.every((row) => row.status === 'discarded') ? this.#discarded : this.#waiting,
        event.metric,
        amount,
      );
  }
}

function namesEvent(row: QuarantinedDelivery): boolean {
  return row.tenantId !== null && row.eventId !== null && row.content !== null;
}

function digest(text: string): Buffer {
  return hash('sha256', text, 'buffer');
}

function placeText(place: Place): string {
  return `${place.partition}/${place.offset}`;
}

const STORED_LENGTH = 256;

/** A text as the quarantine's columns hold it: cut, and without what Postgres cannot store. */
function stored(text: string): string {
  return text.slice(0, STORED_LENGTH).replaceAll('\0', '\ufffd').toWellFormed();
}
