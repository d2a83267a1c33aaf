/** Importing over HTTP: each event has its id and time already, so what nobody knows of is sent again. */
import { randomUUID } from 'node:crypto';
import { ApiError, type Answered, type MeterhouseClient } from '@meterhouse/client';
import type { UsageEvent } from '@meterhouse/usage';
import { CommandError, UsageError } from '../../exit.ts';
import type { ImportRun, SendEvents, SentOutcome } from '../system.ts';

/** Below what a request may hold, in events and bytes. */
const BATCH = { events: 500, bytes: 2 * 1024 * 1024 };
/** Sends of one event; between them the client has waited as the API said. */
const ATTEMPTS = 5;

type Outcome = Answered<'/v1/events', 'post'>['events'][number];

export function importOverApi(client: MeterhouseClient, waits: boolean, signal: AbortSignal): ImportRun {
  if (waits)
    throw new UsageError(
      '--wait: over the API an import returns when the broker has acknowledged all; "usage show" says up to when it is complete',
    );
  return {
    send: sender((batch) => sendBatch(client, batch, signal)),
    // The API keeps no report of producers, and has the audit log from the keys that are used.
    done: () => Promise.resolve(),
    counted: () => Promise.reject(new CommandError('the API does not say when an import is counted')),
    close: () => Promise.resolve(),
  };
}

type SendBatch = (events: readonly UsageEvent[]) => Promise<readonly SentOutcome[]>;

function sender(sendBatch: SendBatch): SendEvents {
  return async (events, onOutcome) => {
    const counts = { acknowledged: 0, notAcknowledged: 0 };
    let next = 0;
    for await (const batch of batchesOf(events)) {
      for (const outcome of await sendBatch(batch)) {
        if (outcome.kind === 'acknowledged') counts.acknowledged += 1;
        if (outcome.kind === 'not_acknowledged') counts.notAcknowledged += 1;
        onOutcome(next, outcome);
        next += 1;
      }
    }
    return counts;
  };
}

async function* batchesOf(events: AsyncIterable<UsageEvent>): AsyncGenerator<UsageEvent[]> {
  let batch: UsageEvent[] = [];
  let bytes = 0;
  for await (const event of events) {
    const size = Buffer.byteLength(JSON.stringify(event));
    if (batch.length === BATCH.events || (batch.length > 0 && bytes + size > BATCH.bytes)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(event);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

async function sendBatch(
  client: MeterhouseClient,
  events: readonly UsageEvent[],
  signal: AbortSignal,
): Promise<SentOutcome[]> {
  const outcomes: SentOutcome[] = events.map(() => ({ kind: 'not_acknowledged' }));
  let open = events.map((_, index) => index);
  for (let attempt = 1; attempt <= ATTEMPTS && open.length > 0; attempt++) {
    const sent = open;
    open = [];
    for (const outcome of await answered(
      client,
      sent.flatMap((at) => events[at] ?? []),
      signal,
    )) {
      const at = sent[outcome.index];
      const event = at === undefined ? undefined : events[at];
      if (at === undefined || event === undefined) continue;
      if (outcome.outcome === 'acknowledged') outcomes[at] = { kind: 'acknowledged', event };
      else if (outcome.outcome === 'refused')
        outcomes[at] = { kind: 'refused', error: { field: outcome.field, message: outcome.detail } };
      else open.push(at);
    }
  }
  return outcomes;
}

/** What became of each, also where that stands in a problem. */
async function answered(
  client: MeterhouseClient,
  events: readonly UsageEvent[],
  signal: AbortSignal,
): Promise<readonly Outcome[]> {
  // With it the client knows that this may be sent twice; the ids are the events' own.
  const params = { header: { 'idempotency-key': randomUUID() } };
  try {
    return (await client.POST('/v1/events', { params, body: events.map(toJson), signal })).data.events;
  } catch (error) {
    const body = error instanceof ApiError ? error.body : null;
    if (typeof body === 'object' && body !== null && 'events' in body && Array.isArray(body.events))
      return body.events as readonly Outcome[];
    throw error;
  }
}

/** What is not there is left out. */
function toJson({ unit, correlationId, attribution, ...event }: UsageEvent) {
  return {
    ...event,
    ...(unit === null ? {} : { unit }),
    ...(correlationId === null ? {} : { correlationId }),
    ...(attribution === null ? {} : { attribution }),
  };
}
