/** Quarantined events over HTTP. */
import { itemsOf, type Answered, type MeterhouseClient } from '@meterhouse/client';
import type { QuarantinedEvent, QuarantineFilter, QuarantineStatus } from '@meterhouse/postgres';
import { CommandError } from '../../exit.ts';
import type { QuarantineDesk } from '../system.ts';
import { firstOf, ms, orInstead, pageSize, refuseAuthor, said } from './refused.ts';

/** A message's schema is in the registry of schemas, of which the API tells nothing. */
const NOT_DECODED = 'is not read over the API: ask the stores, without --api';
/** As many as a URL and a body may name. */
const NAMED_IN_QUERY = 200;
const NAMED_IN_BODY = 1_000;

export function quarantineOverApi(client: MeterhouseClient, signal: AbortSignal): QuarantineDesk {
  return {
    counts: async (filter) => {
      const { data } = await client.GET('/v1/quarantine/counts', {
        params: { query: queryOf(filter) },
        signal,
      });
      return data.counts.map(({ reason, status, events, occurrences, oldest }) => ({
        ...{ reason, status, oldest: new Date(oldest) },
        ...{ events: BigInt(events), occurrences: BigInt(occurrences) },
      }));
    },
    list: async (filter, { afterId, limit }) => firstOf(eventsOf(client, filter, afterId, limit), limit),
    read: async (id) => {
      const asked = client.GET('/v1/quarantine/{id}', { params: { path: { id: id.toString() } }, signal });
      const found = await orInstead('not_found', asked, () => new NotThere()).catch((error: unknown) => {
        if (error instanceof NotThere) return null;
        throw error;
      });
      if (found === null) return null;
      const { event, payload, history } = found.data;
      return {
        found: {
          event: toEvent(event),
          payload: Buffer.from(payload, 'base64'),
          history: history.map((each) => ({ ...each, at: new Date(each.at) })),
        },
        decoded: NOT_DECODED,
      };
    },
    settle: async (what, filter, { by, reason }) => {
      refuseAuthor(by);
      const done: bigint[] = [];
      for (const ids of filter.ids === undefined ? [undefined] : slices(filter.ids, NAMED_IN_BODY))
        for await (const id of settled(
          client,
          what,
          { ...filter, ...(ids === undefined ? {} : { ids }) },
          reason,
          signal,
        ))
          done.push(id);
      return done;
    },
    outcomes: async (ids) => {
      const tally: Record<QuarantineStatus, bigint> = {
        ...{ counted: 0n, duplicate: 0n, discarded: 0n, waiting: 0n, replay_requested: 0n },
      };
      for (const some of slices(ids, NAMED_IN_QUERY))
        for await (const { status } of eventsOf(client, { ids: some }, 0n, NAMED_IN_QUERY))
          tally[status] += 1n;
      const { counted, duplicate, discarded, waiting: stillRefused, replay_requested: pending } = tally;
      return { counted, duplicate, discarded, stillRefused, pending };
    },
  };
}

class NotThere extends Error {}

async function* eventsOf(
  client: MeterhouseClient,
  filter: QuarantineFilter,
  afterId: bigint,
  limit: number,
): AsyncGenerator<QuarantinedEvent> {
  const events = itemsOf(
    async (cursor) => {
      const query = { ...queryOf(filter), ...said({ cursor }), after: `${afterId}`, limit: pageSize(limit) };
      return (await client.GET('/v1/quarantine', { params: { query } })).data;
    },
    (page) => page.events,
  );
  for await (const event of events) yield toEvent(event);
}

function queryOf({ ids, reason, tenantId, metric, statuses }: QuarantineFilter) {
  if (ids !== undefined && ids.length > NAMED_IN_QUERY)
    throw new CommandError(`--id: at most ${NAMED_IN_QUERY} at once over the API`);
  return {
    ...said({ reason, metric, tenantId, status: statuses, id: ids?.map(String) }),
    ...(tenantId === undefined ? {} : ({ descendants: 'false' } as const)),
  };
}

/** Some at a time, each of them a change of its own. */
async function* settled(
  client: MeterhouseClient,
  what: 'replay' | 'discard',
  { ids, reason: reasonCode, tenantId, metric }: QuarantineFilter,
  reason: string,
  signal: AbortSignal,
): AsyncGenerator<bigint> {
  const which = {
    ...said({ ids: ids?.map(String), reasonCode, tenantId, metric }),
    ...(tenantId === undefined ? {} : { descendants: false }),
  };
  const done = itemsOf(
    async (cursor) => {
      const body = { ...which, ...said({ cursor }), reason };
      return (await client.POST(`/v1/quarantine/${what}`, { body, signal })).data;
    },
    (page) => page.ids,
  );
  for await (const id of done) yield BigInt(id);
}

function slices<T>(items: readonly T[], size: number): T[][] {
  const all: T[][] = [];
  for (let at = 0; at < items.length; at += size) all.push(items.slice(at, at + size));
  return all;
}

function toEvent(event: Answered<'/v1/quarantine/{id}', 'get'>['event']): QuarantinedEvent {
  return {
    ...event,
    id: BigInt(event.id),
    offset: BigInt(event.offset),
    receivedAt: new Date(ms(event.receivedAt)),
    eventTs: event.eventTs === null ? null : new Date(ms(event.eventTs)),
    occurrences: BigInt(event.occurrences),
    resolvedAt: event.resolvedAt === null ? null : new Date(ms(event.resolvedAt)),
  };
}
