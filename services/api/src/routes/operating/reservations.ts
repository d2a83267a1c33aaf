/** Reservations of capacity, to look at. They are made by gates and by the command. */
import { listReservations, RESERVATION_STATES, type Reservation } from '@meterhouse/postgres/capacity';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { narrowedTo, narrowQuery, reachable, readIn } from '../../access/sight.ts';
import { nextCursor, pageQuery, readCursor, writeCursor } from '../../http/cursor.ts';
import { addRoute } from '../../http/route.ts';
import { instantOf, oneOrMore, OPERATORS, pageOf, rowId, rowPosition, type OperatingParts } from './parts.ts';

const reservation = z
  .object({
    id: z.string(),
    pool: z.string(),
    tenantId: z.string(),
    key: z.string(),
    units: z.string(),
    state: z.enum(RESERVATION_STATES).describe('As it is now, whether or not an expiry was written down.'),
    fencingToken: z.string(),
    holder: z.string(),
    renewals: z.string(),
    reservedAt: z.iso.datetime(),
    confirmedAt: z.iso.datetime().nullable(),
    expiresAt: z.iso.datetime().nullable().describe('Null: until it is released.'),
    endedAt: z.iso.datetime().nullable(),
  })
  .meta({ id: 'Reservation' });

export function reservationRoute(app: FastifyInstance, { stores }: OperatingParts): void {
  addRoute(app, {
    method: 'GET',
    url: '/v1/reservations',
    operationId: 'listReservations',
    tag: 'capacity',
    summary: 'Reservations in the order in which they were made',
    access: { kind: 'scope', roles: ['tenant_reader', ...OPERATORS] },
    problems: ['invalid_cursor', 'unknown_tenant'],
    query: z.strictObject({
      ...narrowQuery,
      pool: z.string().min(1).max(128).optional(),
      state: oneOrMore(z.enum(RESERVATION_STATES), RESERVATION_STATES.length).describe('Any of these.'),
      after: rowId.optional().describe('Those after this id; `cursor` stands above it.'),
      ...pageQuery,
    }),
    answer: { status: 200, schema: z.object({ reservations: z.array(reservation), nextCursor }) },
    handle: async ({ query }, caller) => {
      const afterId = BigInt(readCursor(query.cursor, rowPosition)?.after ?? query.after ?? 0);
      const { sight, tenantId } = await narrowedTo(caller, query);
      const filter = {
        ...(query.pool === undefined ? {} : { pool: query.pool }),
        ...(query.state === undefined ? {} : { states: [query.state].flat() }),
        ...(tenantId === null ? {} : { tenantId }),
      };
      const rows = await readIn(stores, caller, sight, (db) =>
        listReservations(db, filter, { afterId, limit: query.limit + 1 }),
      );
      const { page, last } = pageOf(rows, query.limit);
      const seen = await reachable(caller, page, ({ tenantId }) => [tenantId]);
      return {
        reservations: seen.map(toAnswer),
        nextCursor: last === undefined ? null : writeCursor({ after: last.id.toString() }),
      };
    },
  });
}

function toAnswer(each: Reservation): z.input<typeof reservation> {
  return {
    ...each,
    id: each.id.toString(),
    units: each.units.toString(),
    fencingToken: each.fencingToken.toString(),
    renewals: each.renewals.toString(),
    reservedAt: new Date(each.reservedAt).toISOString(),
    confirmedAt: instantOf(each.confirmedAt),
    expiresAt: instantOf(each.expiresAt),
    endedAt: instantOf(each.endedAt),
  };
}
