/** How many wait, and why. */
import {
  countQuarantine,
  countQuarantineByTenant,
  QUARANTINE_STATUSES,
  type PoolClient,
  type QuarantineCount,
  type QuarantineFilter,
} from '@meterhouse/postgres';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Caller } from '../../access/caller.ts';
import { narrowedTo, reachable, readIn } from '../../access/sight.ts';
import { ApiProblem } from '../../http/problem.ts';
import { addRoute } from '../../http/route.ts';
import type { OperatingParts } from './parts.ts';
import { ACCESS, filterOf, TAG, which } from './quarantine-filter.ts';

const quarantineCount = z
  .object({
    reason: z.string(),
    status: z.enum(QUARANTINE_STATUSES),
    events: z.string().describe('Different events, as far as they could be read.'),
    occurrences: z.string().describe('Deliveries of them.'),
    oldest: z.iso.datetime().describe('When the first of them came.'),
  })
  .meta({ id: 'QuarantineCount' });

export function countRoute(app: FastifyInstance, { stores }: OperatingParts): void {
  addRoute(app, {
    method: 'GET',
    url: '/v1/quarantine/counts',
    operationId: 'countQuarantine',
    tag: TAG,
    summary: 'How many events could not be counted, by reason and status',
    access: ACCESS,
    problems: ['unknown_tenant', 'refused'],
    query: which,
    answer: { status: 200, schema: z.object({ counts: z.array(quarantineCount) }) },
    handle: async ({ query }, caller) => {
      const { sight, tenantId } = await narrowedTo(caller, query);
      const filter = filterOf(query, tenantId);
      const counts = await readIn(stores, caller, sight, (db) =>
        caller.principal.tenantId === null ? countQuarantine(db, filter) : ownCounts(db, caller, filter),
      );
      return {
        counts: counts.map(({ reason, status, events, occurrences, oldest }) => ({
          ...{ reason, status, oldest: oldest.toISOString() },
          ...{ events: events.toString(), occurrences: occurrences.toString() },
        })),
      };
    },
  });
}

const MAX_COUNTS = 10_000;

/** A sum does not say whom it is of, so it is made here of what the caller may see. */
async function ownCounts(
  db: PoolClient,
  caller: Caller,
  filter: QuarantineFilter,
): Promise<readonly QuarantineCount[]> {
  const rows = await countQuarantineByTenant(db, filter, MAX_COUNTS + 1);
  if (rows.length > MAX_COUNTS)
    throw new ApiProblem('refused', `Events of more than ${MAX_COUNTS} tenants: ask for one of them.`);
  const sums = new Map<string, QuarantineCount>();
  for (const { tenantId: _, ...each } of await reachable(caller, rows, ({ tenantId }) => [tenantId])) {
    const name = `${each.reason} ${each.status}`;
    const sum = sums.get(name);
    sums.set(name, sum === undefined ? each : added(sum, each));
  }
  return [...sums.values()];
}

function added(a: QuarantineCount, b: QuarantineCount): QuarantineCount {
  return {
    ...a,
    events: a.events + b.events,
    occurrences: a.occurrences + b.occurrences,
    oldest: a.oldest < b.oldest ? a.oldest : b.oldest,
  };
}
