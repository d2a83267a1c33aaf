/**
 * Ids for rows that carry none. The same file imported again gives the same ids, so it counts once;
 * two identical rows in one file are two events. See docs/adr/0008-command-line-and-import-ids.md.
 */
import { hash } from 'node:crypto';
import { derivedUuid } from '@meterhouse/usage';
import type { DigestCounts } from '../digest-counts.ts';

/** What a row says, apart from the file that it stands in. */
export interface RowIdentity {
  /** SHA-256 of the row's content. */
  readonly digest: Buffer;
  /** 1 for the first row of that content in its file, 2 for the second. */
  readonly occurrence: number;
}

/** @param content canonical: the same for every spelling of the same row */
export function rowDigest(content: string): Buffer {
  return hash('sha256', content, 'buffer');
}

/** The canonical text of a row of columns: the order of columns does not matter. */
export function columnsContent(sortedNames: readonly string[], valueOf: (name: string) => string): string {
  return JSON.stringify(sortedNames.map((name) => [name, valueOf(name)]));
}

/** The canonical text of a JSON value: the order of an object's members does not matter. */
export function jsonContent(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(jsonContent).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${jsonContent(member)}`).join(',')}}`;
}

export function identifyRow(digest: Buffer, seen: DigestCounts): RowIdentity {
  return { digest, occurrence: seen.add(digest) };
}

/**
 * A UUIDv8 made of the row, which one of its like it is, the metric and the shift. What the mapping
 * makes of the row is left out on purpose: imported again with a corrected mapping, the event meets
 * its former self as an id_conflict instead of being counted a second time.
 */
export function derivedId(row: RowIdentity, metric: string, shiftDays: number): string {
  return derivedUuid(
    `meterhouse import 1\0${row.digest.toString('hex')}\0${row.occurrence}\0${shiftDays}\0${metric}`,
  );
}

/** Tenants `prefix` + 1 … count, numbered with leading zeros so that they sort. */
export function tenantOfRow(digest: Buffer, tenants: { count: number; prefix: string }): string {
  const number = Number(digest.readBigUInt64BE(16) % BigInt(tenants.count)) + 1;
  return `${tenants.prefix}${number.toString().padStart(tenants.count.toString().length, '0')}`;
}
