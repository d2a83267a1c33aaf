/** Looking at reservations, and at what has happened to one. */
import type { Db } from '../pool.ts';
import type { ReservationState } from './answers.ts';

export interface Reservation {
  readonly id: bigint;
  readonly pool: string;
  readonly tenantId: string;
  readonly key: string;
  readonly units: bigint;
  /** As it is now: one whose time is over is `expired`, whether or not that was written down. */
  readonly state: ReservationState;
  readonly fencingToken: bigint;
  /** Who reserved, confirmed, renewed or released it last. */
  readonly holder: string;
  readonly renewals: bigint;
  /** Epoch ms, as are the others. */
  readonly reservedAt: number;
  readonly confirmedAt: number | null;
  /** null: until it is released. */
  readonly expiresAt: number | null;
  readonly endedAt: number | null;
}

/** What is left out does not narrow. */
export interface ReservationFilter {
  readonly pool?: string;
  readonly tenantId?: string;
  readonly states?: readonly ReservationState[];
}

interface ReservationRow {
  id: string;
  pool_id: string;
  tenant_id: string;
  key: string;
  units: string;
  state: ReservationState;
  fencing_token: string;
  holder: string;
  renewals: string;
  reserved_at: Date;
  confirmed_at: Date | null;
  expires_at: Date | null;
  ended_at: Date | null;
}

/** The state as it is at Postgres' now. */
const STANDING = `
  SELECT r.id, r.pool_id, r.tenant_id, r.key, r.units, r.fencing_token, r.holder, r.renewals, r.reserved_at,
         r.confirmed_at, r.expires_at, coalesce(r.ended_at, CASE WHEN over THEN r.expires_at END) AS ended_at,
         CASE WHEN over THEN 'expired' ELSE r.state END AS state
  FROM (SELECT meterhouse.capacity_now() AS at OFFSET 0) AS clock
  CROSS JOIN meterhouse.capacity_reservations AS r
  CROSS JOIN LATERAL (SELECT r.ended_at IS NULL AND coalesce(r.expires_at <= clock.at, false) AS over) AS time`;

/** A page in the order in which they were reserved. */
export async function listReservations(
  db: Db,
  filter: ReservationFilter,
  page: { readonly afterId: bigint; readonly limit: number },
): Promise<readonly Reservation[]> {
  const result = await db.query<ReservationRow>(
    `SELECT * FROM (${STANDING}) AS standing
     WHERE ($1::text IS NULL OR pool_id = $1) AND ($2::text IS NULL OR tenant_id = $2)
       AND ($3::text[] IS NULL OR state = ANY ($3)) AND id > $4
     ORDER BY id LIMIT $5`,
    [filter.pool ?? null, filter.tenantId ?? null, filter.states ?? null, page.afterId, page.limit],
  );
  return result.rows.map(toReservation);
}

export interface ReservationEvent {
  readonly at: number;
  readonly action: 'reserved' | 'confirmed' | 'renewed' | 'released' | 'expired';
  readonly by: string;
  readonly reason: string;
  readonly fencingToken: bigint;
  readonly expiresAt: number | null;
}

/** What happened to a reservation, in order; also to one whose own row is no longer kept. Empty when there was none. */
export async function readReservationHistory(
  db: Db,
  reservationId: bigint,
): Promise<readonly ReservationEvent[]> {
  const result = await db.query<{
    at: Date;
    action: ReservationEvent['action'];
    by: string;
    reason: string;
    fencing_token: string;
    expires_at: Date | null;
  }>(
    `SELECT at, action, by, reason, fencing_token, expires_at
     FROM meterhouse.capacity_history WHERE reservation_id = $1 ORDER BY id`,
    [reservationId],
  );
  return result.rows.map(({ at, action, by, reason, fencing_token, expires_at }) => ({
    at: at.getTime(),
    action,
    by,
    reason,
    fencingToken: BigInt(fencing_token),
    expiresAt: expires_at?.getTime() ?? null,
  }));
}

function toReservation(row: ReservationRow): Reservation {
  return {
    id: BigInt(row.id),
    pool: row.pool_id,
    tenantId: row.tenant_id,
    key: row.key,
    units: BigInt(row.units),
    state: row.state,
    fencingToken: BigInt(row.fencing_token),
    holder: row.holder,
    renewals: BigInt(row.renewals),
    reservedAt: row.reserved_at.getTime(),
    confirmedAt: row.confirmed_at?.getTime() ?? null,
    expiresAt: row.expires_at?.getTime() ?? null,
    endedAt: row.ended_at?.getTime() ?? null,
  };
}
