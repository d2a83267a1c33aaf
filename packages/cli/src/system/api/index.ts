/** The system through its API. */
import { createClient, itemsOf, type MeterhouseClient } from '@meterhouse/client';
import type { AuditRow } from '@meterhouse/postgres/access';
import type { Reservation } from '@meterhouse/postgres/capacity';
import type { ApiChoice } from '../../connect/api-choice.ts';
import type { AuditAsked, ReservationsAsked, System } from '../system.ts';
import { decisionsOverApi } from './decisions.ts';
import { importOverApi } from './importing.ts';
import { keysOverApi } from './keys.ts';
import { quarantineOverApi } from './quarantine.ts';
import { firstOf, ms, msOrNull, pageSize, said } from './refused.ts';
import { registryOverApi } from './registry.ts';
import { usageOverApi } from './usage.ts';

export function systemOverApi(
  api: ApiChoice,
  { now, signal }: { readonly now: () => number; readonly signal: AbortSignal },
): System {
  const client = createClient({ ...api, now });
  return {
    registry: registryOverApi(client),
    usage: (asked) => usageOverApi(asked, client),
    keys: keysOverApi(client),
    audit: (filter) => auditOverApi(client, filter),
    quarantine: quarantineOverApi(client, signal),
    decisions: decisionsOverApi(client),
    reservations: (filter) => reservationsOverApi(client, filter),
    openImport: async (waits) => Promise.resolve(importOverApi(client, waits, signal)),
  };
}

async function auditOverApi(
  client: MeterhouseClient,
  { tenantId, action, actorId, since, beforeSeq, limit }: AuditAsked,
): Promise<readonly AuditRow[]> {
  const query = {
    ...said({ tenantId, action, actorId, before: beforeSeq?.toString() }),
    ...said({ since: since === null ? null : new Date(since).toISOString() }),
    ...(tenantId === null ? {} : ({ descendants: 'false' } as const)),
    limit: pageSize(limit),
  };
  const entries = itemsOf(
    async (cursor) =>
      (await client.GET('/v1/audit', { params: { query: { ...query, ...said({ cursor }) } } })).data,
    (page) => page.entries,
  );
  return (await firstOf(entries, limit)).map(({ seq, at, details, ...entry }) => ({
    ...entry,
    seq: BigInt(seq),
    at: ms(at),
    details: JSON.stringify(details),
  }));
}

async function reservationsOverApi(
  client: MeterhouseClient,
  { pool, tenantId, states, afterId, limit }: ReservationsAsked,
): Promise<readonly Reservation[]> {
  const query = {
    ...said({ pool, tenantId }),
    ...{ state: states, after: afterId.toString(), limit: pageSize(limit) },
    ...(tenantId === null ? {} : ({ descendants: 'false' } as const)),
  };
  const reservations = itemsOf(
    async (cursor) =>
      (await client.GET('/v1/reservations', { params: { query: { ...query, ...said({ cursor }) } } })).data,
    (page) => page.reservations,
  );
  return (await firstOf(reservations, limit)).map((each) => ({
    ...each,
    id: BigInt(each.id),
    units: BigInt(each.units),
    fencingToken: BigInt(each.fencingToken),
    renewals: BigInt(each.renewals),
    reservedAt: ms(each.reservedAt),
    confirmedAt: msOrNull(each.confirmedAt),
    expiresAt: msOrNull(each.expiresAt),
    endedAt: msOrNull(each.endedAt),
  }));
}
