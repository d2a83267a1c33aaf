/** The audit log's chain of hashes, worked out here as Postgres does (migration 0007). Pure. */
import { createHash } from 'node:crypto';

export const AUDIT_OUTCOMES = ['done', 'denied', 'failed'] as const;
export type AuditOutcome = (typeof AUDIT_OUTCOMES)[number];

/** Where a chain stands: the last row and its hash. Noted elsewhere, it shows a log that was cut off. */
export interface AuditHead {
  readonly seq: bigint;
  /** 64 hex digits. */
  readonly hash: string;
}

/** Before the first row. */
export const AUDIT_START: AuditHead = { seq: 0n, hash: '0'.repeat(64) };

/** A row as it is stored. */
export interface AuditRow extends AuditHead {
  /** Epoch ms of Postgres' clock. */
  readonly at: number;
  /** What kind of actor: `person`, `api_key`, `user`, `service`. */
  readonly actorType: string;
  readonly actorId: string;
  readonly keyId: string | null;
  readonly role: string | null;
  /** Such as `registry.change`. */
  readonly action: string;
  /** Null: the whole platform. */
  readonly tenantId: string | null;
  readonly target: string | null;
  readonly outcome: AuditOutcome;
  readonly correlationId: string | null;
  /** A JSON object, to the letter as Postgres writes it: it is part of what is hashed. */
  readonly details: string;
  readonly prevHash: string;
}

/** Fields in order, each with its length in bytes before it, so that none runs into the next. */
export function auditHashOf(row: Omit<AuditRow, 'hash'>): string {
  const fields = [
    'meterhouse-audit-1',
    row.prevHash,
    row.seq.toString(),
    row.at.toString(),
    row.actorType,
    row.actorId,
    row.keyId,
    row.role,
    row.action,
    row.tenantId,
    row.target,
    row.outcome,
    row.correlationId,
    row.details,
  ];
  const hash = createHash('sha256');
  for (const field of fields)
    hash.update(field === null ? '-;' : `${Buffer.byteLength(field)}:${field};`, 'utf8');
  return hash.digest('hex');
}

/** The first thing that is wrong, and at which row. */
export interface AuditBreak {
  readonly seq: bigint;
  readonly reason:
    | 'row_missing'
    | 'row_unexpected'
    | 'row_changed'
    | 'link_broken'
    | 'tail_missing'
    | 'tail_unexpected'
    | 'head_differs';
  readonly detail: string;
}

/** @returns what is wrong with a row that follows `before`, or null */
export function breakAt(before: AuditHead, row: AuditRow): AuditBreak | null {
  const expected = before.seq + 1n;
  if (row.seq > expected)
    return {
      seq: expected,
      reason: 'row_missing',
      detail: `row ${expected} is not there; the next one is ${row.seq}`,
    };
  if (row.seq < expected)
    return {
      seq: row.seq,
      reason: 'row_unexpected',
      detail: `row ${row.seq} stands after row ${before.seq}`,
    };
  if (auditHashOf(row) !== row.hash)
    return { seq: row.seq, reason: 'row_changed', detail: `row ${row.seq} is not what its hash was made of` };
  if (row.prevHash !== before.hash)
    return {
      seq: row.seq,
      reason: 'link_broken',
      detail: `row ${row.seq} does not follow row ${before.seq}: one of the two was written anew`,
    };
  return null;
}

/** @returns what is wrong with where the chain ends, by what Postgres notes as its head, or null */
export function breakAtEnd(last: AuditHead, head: AuditHead): AuditBreak | null {
  if (last.seq < head.seq)
    return {
      seq: last.seq + 1n,
      reason: 'tail_missing',
      detail: `the log ends with row ${last.seq}, and its head is row ${head.seq}`,
    };
  if (last.seq > head.seq)
    return {
      seq: head.seq + 1n,
      reason: 'tail_unexpected',
      detail: `the log goes on to row ${last.seq}, and its head is row ${head.seq}`,
    };
  if (last.hash !== head.hash)
    return {
      seq: head.seq,
      reason: 'head_differs',
      detail: `row ${head.seq} is not the one that the head names`,
    };
  return null;
}
