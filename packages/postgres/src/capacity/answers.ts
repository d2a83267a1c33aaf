/** What Postgres answers about capacity. Instants are epoch milliseconds of Postgres' clock. */
import type { QueryResult } from 'pg';
import type { Db } from '../pool.ts';

/** `held`: set aside until it expires. `confirmed`: in use. The other two have ended. */
export const RESERVATION_STATES = ['held', 'confirmed', 'released', 'expired'] as const;
export type ReservationState = (typeof RESERVATION_STATES)[number];
type LiveState = Exclude<ReservationState, 'released' | 'expired'>;
type EndedState = Exclude<ReservationState, LiveState>;

/** Capacity that is the caller's, until then. */
export interface Grant {
  readonly reservationId: bigint;
  /** Needed for whatever is done with it next. A later grant of time always has a higher one. */
  readonly fencingToken: bigint;
  readonly state: LiveState;
  /** null: until it is released. */
  readonly expiresAt: number | null;
  /**
   * What was left when Postgres answered. Counted on a monotonic clock from before the question was
   * asked, it ends no later than the reservation does, however wrong the caller's calendar is.
   */
  readonly expiresInMs: number | null;
}

/** It has ended: whatever the caller does now, it does without capacity. */
interface Ended {
  readonly reservationId: bigint;
  readonly endedAt: number;
}

/** The same key, or the same reservation, was asked before with another value in this field. */
interface Conflict {
  readonly kind: 'conflict';
  readonly field: string;
}

/** Nothing was changed. */
export interface NoCapacity {
  readonly kind: 'no_capacity';
  readonly size: bigint;
  /** Units that others hold; above `size` where the pool was made smaller. */
  readonly reserved: bigint;
  /**
   * When the units asked for fit if nobody renews, confirms, releases or reserves meanwhile. null: not
   * by time alone (held without an end, or more than the pool's size, or behind the 1,000 next ends).
   */
  readonly freesAt: number | null;
  /** Units that time alone frees by then; with `freesAt` null, that it frees at all. */
  readonly freesUnits: bigint;
}

/** No live or past reservation of this tenant has this id, as far as they are kept. */
interface UnknownReservation {
  readonly kind: 'unknown_reservation';
}

/** The token is not, or no longer, the reservation's: somebody else goes on with it. */
interface StaleToken {
  readonly kind: 'stale_token';
}

export type ReserveAnswer =
  | (Grant & { readonly kind: 'reserved' })
  | NoCapacity
  /** The key's reservation has ended: a key is for one reservation, the next needs another. */
  | (Ended & { readonly kind: 'ended'; readonly state: EndedState })
  | Conflict
  | { readonly kind: 'unknown_pool' }
  | { readonly kind: 'unknown_tenant' };

type HolderAnswer =
  | (Ended & { readonly kind: 'expired' })
  | (Ended & { readonly kind: 'released' })
  | StaleToken
  | UnknownReservation;

export type ConfirmAnswer = (Grant & { readonly kind: 'confirmed' }) | HolderAnswer | Conflict;
export type RenewAnswer =
  | (Grant & { readonly kind: 'renewed' })
  | HolderAnswer
  | Conflict
  /** Confirmed until it is released: there is no term to renew. */
  | (Grant & { readonly kind: 'does_not_expire' });
export type ReleaseAnswer = HolderAnswer;

export type CapacityAnswer = ReserveAnswer | ConfirmAnswer | RenewAnswer | ReleaseAnswer;

/** As the functions of migration 0005 return it. */
interface AnswerRow {
  outcome: CapacityAnswer['kind'];
  field: string | null;
  reservation_id: string | null;
  state: ReservationState | null;
  fencing_token: string | null;
  expires_at: Date | null;
  expires_in_ms: string | null;
  ended_at: Date | null;
  size: string | null;
  reserved: string | null;
  frees_at: Date | null;
  frees_units: string | null;
}

/** Whose rights it is asked with. */
export type AskedAs = 'service' | 'tenant';

/** Calls one of the functions, which decides and writes in one statement, and so in one transaction where none is open. */
export async function ask(
  db: Db,
  as: AskedAs,
  name: string,
  parameters: readonly unknown[],
): Promise<CapacityAnswer> {
  const asked = as === 'tenant' ? `tenant_${name}` : name;
  const places = parameters.map((_, index) => `$${index + 1}`).join(', ');
  const result: QueryResult<AnswerRow> = await db.query(`SELECT * FROM meterhouse.${asked}(${places})`, [
    ...parameters,
  ]);
  const row = result.rows[0];
  if (row === undefined) throw new Error(`${name} returned no row`);
  return toAnswer(row);
}

function toAnswer(row: AnswerRow): CapacityAnswer {
  switch (row.outcome) {
    case 'reserved':
    case 'confirmed':
    case 'renewed':
    case 'does_not_expire':
      return { kind: row.outcome, ...toGrant(row) };
    case 'expired':
    case 'released':
      return { kind: row.outcome, ...toEnded(row) };
    case 'ended':
      return { kind: row.outcome, state: row.state === 'expired' ? 'expired' : 'released', ...toEnded(row) };
    case 'no_capacity':
      return {
        kind: row.outcome,
        size: BigInt(given(row.size)),
        reserved: BigInt(given(row.reserved)),
        freesAt: row.frees_at?.getTime() ?? null,
        freesUnits: BigInt(given(row.frees_units)),
      };
    case 'conflict':
      return { kind: row.outcome, field: given(row.field) };
    case 'unknown_pool':
    case 'unknown_tenant':
    case 'unknown_reservation':
    case 'stale_token':
      return { kind: row.outcome };
  }
}

function toGrant(row: AnswerRow): Grant {
  return {
    reservationId: BigInt(given(row.reservation_id)),
    fencingToken: BigInt(given(row.fencing_token)),
    state: row.state === 'confirmed' ? 'confirmed' : 'held',
    expiresAt: row.expires_at?.getTime() ?? null,
    expiresInMs: row.expires_in_ms === null ? null : Number(row.expires_in_ms),
  };
}

function toEnded(row: AnswerRow): Ended {
  return { reservationId: BigInt(given(row.reservation_id)), endedAt: given(row.ended_at).getTime() };
}

function given<T>(value: T | null): T {
  if (value === null) throw new Error('Postgres left out a part of its answer');
  return value;
}
