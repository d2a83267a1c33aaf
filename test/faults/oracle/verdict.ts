/**
 * Where each acknowledged event has ended, against where it must have ended. Pure.
 * An event is lost when it is neither counted nor in quarantine, double when it is counted twice or
 * both, misplaced when it is in one place, but the wrong one.
 */
import { entryKey, type Entry, type Ledger, type Variant } from './ledger.ts';
import { billionths } from './decimal.ts';
import { addTo, bucketKey, type Book } from './totals.ts';

/** An open row of the quarantine. */
export interface Held {
  readonly reason: string;
  /** Null where the stored row does not say. */
  readonly value: string | null;
  readonly ts: number | null;
}

export interface Outcomes {
  lost: number;
  double: number;
  misplaced: number;
  readonly findings: string[];
}

interface Place {
  counted: number;
  readonly held: Held[];
}

/** Where the ids are, as Postgres says. */
export class Places {
  readonly #places = new Map<string, Place>();
  strangers = 0;
  firstStranger: string | null = null;

  counted(key: string): void {
    this.#at(key).counted += 1;
  }

  held(key: string, row: Held): void {
    this.#at(key).held.push(row);
  }

  /** Something that nobody was told of. */
  stranger(what: string): void {
    this.strangers += 1;
    this.firstStranger ??= what;
  }

  of(entry: Entry): Place {
    return this.#places.get(entryKey(entry.tenantId, entry.id)) ?? { counted: 0, held: [] };
  }

  #at(key: string): Place {
    const known = this.#places.get(key);
    if (known !== undefined) return known;
    const place = { counted: 0, held: [] };
    this.#places.set(key, place);
    return place;
  }
}

const HOUR_MS = 3_600_000;

/** @returns the outcomes, and the buckets that the events must have made */
export function settle(
  ledger: Ledger,
  places: Places,
  maxFindings: number,
): { outcomes: Outcomes; book: Book } {
  const outcomes: Outcomes = { lost: 0, double: 0, misplaced: places.strangers, findings: [] };
  if (places.firstStranger !== null) outcomes.findings.push(`never acknowledged: ${places.firstStranger}`);
  const book: Book = new Map();
  for (const entry of ledger.entries.values()) {
    const place = places.of(entry);
    const problem = problemOf(entry, place);
    if (problem !== null) {
      outcomes[problem] += 1;
      if (outcomes.findings.length < maxFindings) outcomes.findings.push(describe(problem, entry, place));
    }
    const counted = countedVariant(entry, place);
    if (counted === null) continue;
    const hour = Math.floor(counted.ts / HOUR_MS) * HOUR_MS;
    addTo(book, bucketKey(entry.tenantId, counted.metric, hour, counted.attrs), {
      value: counted.value,
      ts: counted.ts,
      id: entry.id,
    });
  }
  return { outcomes, book };
}

function problemOf(entry: Entry, { counted, held }: Place): 'lost' | 'double' | 'misplaced' | null {
  const [first, second] = entry.variants;
  if (first === undefined) throw new Error('an entry has at least one variant');
  if (second !== undefined) {
    if (counted + held.length < 2) return 'lost';
    if (counted > 1 || counted + held.length > 2) return 'double';
    return counted === 1 && held[0]?.reason === 'id_conflict' ? null : 'misplaced';
  }
  if (counted === 0 && held.length === 0) return 'lost';
  if (counted > 1 || (counted > 0 && held.length > 0)) return 'double';
  if (first.fate === 'counted') return counted === 1 ? null : 'misplaced';
  // What cannot be read has no id to be recognized by: each delivery of it takes a row.
  const rightReason = held.every((row) => row.reason === first.fate);
  const rightNumber = held.length === 1 || first.fate === 'undecodable';
  return counted === 0 && rightReason && rightNumber ? null : 'misplaced';
}

/**
 * The variant that a bucket must hold. Of two that contradict each other it is the one that was not
 * quarantined: which of them came to be counted first is nobody's fault.
 */
function countedVariant(entry: Entry, { held }: Place): Variant | null {
  const [first, second] = entry.variants;
  if (first === undefined) throw new Error('an entry has at least one variant');
  if (second === undefined) return first.fate === 'counted' ? first : null;
  const conflict = held.find((row) => row.reason === 'id_conflict');
  return conflict !== undefined && isOf(conflict, first) ? second : first;
}

function isOf(row: Held, variant: Variant): boolean {
  return row.ts === variant.ts && row.value !== null && billionths(row.value) === billionths(variant.value);
}

function describe(problem: string, entry: Entry, place: Place): string {
  const variants = entry.variants.map(
    (variant) =>
      `${variant.metric} ${variant.value} at ${new Date(variant.ts).toISOString()}, to be ${variant.fate}`,
  );
  const held = place.held.map((row) => row.reason).join(', ');
  return `${problem}: ${entry.tenantId} ${entry.id} (${variants.join('; ')}): counted ${place.counted} times, held as [${held}]`;
}
