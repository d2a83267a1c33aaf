/** Which quarantined events a request is about. */
import { QUARANTINE_STATUSES, type QuarantineFilter } from '@meterhouse/postgres';
import { z } from 'zod';
import type { Access } from '../../access/roles.ts';
import { narrowQuery } from '../../access/sight.ts';
import { oneOrMore, OPERATORS, rowId } from './parts.ts';

export const TAG = 'quarantine';
export const ACCESS: Access = { kind: 'scope', roles: OPERATORS };
export const word = z.string().min(1).max(256);

/** A URL has to hold them all. */
const MAX_NAMED = 200;
export const whichQuery = {
  ...narrowQuery,
  id: oneOrMore(rowId, MAX_NAMED).describe(`These, up to ${MAX_NAMED}.`),
  reason: word.optional(),
  metric: word.optional(),
  status: oneOrMore(z.enum(QUARANTINE_STATUSES), QUARANTINE_STATUSES.length).describe('Any of these.'),
};
export const which = z.strictObject(whichQuery);

export function filterOf(query: z.output<typeof which>, tenantId: string | null): QuarantineFilter {
  const { id, status, reason, metric } = query;
  return {
    ...(id === undefined ? {} : { ids: [id].flat().map(BigInt) }),
    ...(status === undefined ? {} : { statuses: [status].flat() }),
    ...chosen({ reason, metric, tenantId }),
  };
}

export function chosen(filter: {
  readonly reason: string | undefined;
  readonly metric: string | undefined;
  readonly tenantId: string | null;
}): QuarantineFilter {
  const { reason, metric, tenantId } = filter;
  return {
    ...(reason === undefined ? {} : { reason }),
    ...(metric === undefined ? {} : { metric }),
    ...(tenantId === null ? {} : { tenantId }),
  };
}
