/** What `pools`, `reservations list` and `reservations history` print. */
import type { PoolStanding, Reservation, ReservationEvent } from '@meterhouse/postgres/capacity';
import { formatInstant } from '../output/instants.ts';
import { withThousands } from '../output/numbers.ts';
import type { Json } from '../output/output.ts';
import type { Palette } from '../output/palette.ts';
import { renderTable } from '../output/table.ts';

export function poolJson(pool: PoolStanding): Json {
  return {
    id: pool.id,
    unit: pool.unit,
    size: pool.size.toString(),
    reserved: pool.reserved.toString(),
    free: pool.free.toString(),
    reservations: pool.reservations.toString(),
    nextExpiresAt: isoOrNull(pool.nextExpiresAt),
  };
}

export function renderPools(pools: readonly PoolStanding[], palette: Palette): string {
  return renderTable(
    [
      { title: 'pool' },
      { title: 'unit' },
      { title: 'size', align: 'right' },
      { title: 'reserved', align: 'right' },
      { title: 'free', align: 'right' },
      { title: 'reservations', align: 'right' },
      { title: 'next ends' },
    ],
    pools.map((pool) => [
      pool.id,
      pool.unit,
      withThousands(pool.size),
      pool.reserved > pool.size ? palette.bad(withThousands(pool.reserved)) : withThousands(pool.reserved),
      pool.free === 0n ? palette.warn('0') : palette.good(withThousands(pool.free)),
      withThousands(pool.reservations),
      instantOrDash(pool.nextExpiresAt),
    ]),
    palette,
  );
}

export function reservationJson(one: Reservation): Json {
  return {
    id: one.id.toString(),
    pool: one.pool,
    tenantId: one.tenantId,
    key: one.key,
    units: one.units.toString(),
    state: one.state,
    fencingToken: one.fencingToken.toString(),
    holder: one.holder,
    renewals: one.renewals.toString(),
    reservedAt: new Date(one.reservedAt).toISOString(),
    confirmedAt: isoOrNull(one.confirmedAt),
    expiresAt: isoOrNull(one.expiresAt),
    endedAt: isoOrNull(one.endedAt),
  };
}

export function renderReservations(reservations: readonly Reservation[], palette: Palette): string {
  return renderTable(
    [
      { title: 'id', align: 'right' },
      { title: 'pool' },
      { title: 'tenant' },
      { title: 'units', align: 'right' },
      { title: 'state' },
      { title: 'ends' },
      { title: 'token', align: 'right' },
      { title: 'holder' },
      { title: 'key' },
    ],
    reservations.map((one) => [
      one.id.toString(),
      one.pool,
      one.tenantId,
      withThousands(one.units),
      paintState(one, palette),
      one.endedAt === null ? instantOrDash(one.expiresAt) : palette.dim(formatInstant(one.endedAt)),
      one.fencingToken.toString(),
      one.holder,
      one.key,
    ]),
    palette,
  );
}

function paintState({ state }: Reservation, palette: Palette): string {
  switch (state) {
    case 'held':
      return palette.warn(state);
    case 'confirmed':
      return palette.good(state);
    case 'released':
    case 'expired':
      return palette.dim(state);
  }
}

export function eventJson(event: ReservationEvent): Json {
  return {
    at: new Date(event.at).toISOString(),
    action: event.action,
    by: event.by,
    reason: event.reason,
    fencingToken: event.fencingToken.toString(),
    expiresAt: isoOrNull(event.expiresAt),
  };
}

export function renderHistory(events: readonly ReservationEvent[], palette: Palette): string {
  return renderTable(
    [
      { title: 'at' },
      { title: 'what' },
      { title: 'by' },
      { title: 'token', align: 'right' },
      { title: 'ends' },
      { title: 'because' },
    ],
    events.map((event) => [
      formatInstant(event.at),
      event.action,
      event.by,
      event.fencingToken.toString(),
      instantOrDash(event.expiresAt),
      event.reason,
    ]),
    palette,
  );
}

function isoOrNull(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString();
}

function instantOrDash(at: number | null): string {
  return at === null ? '-' : formatInstant(at);
}
