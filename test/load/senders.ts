/**
 * Clients that lose nothing: each sends one batch after the other, and the same one again, under the same
 * Idempotency-Key, until every event of it is acknowledged. What they tally is what must be counted.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';

/** How long a sender waits before it tries again, whatever `Retry-After` says: the run is short. */
const RETRY_MS = 100;

/** Events have no ids of their own: only the key makes a repetition the same. */
export interface LoadEvent {
  readonly tenantId: string;
  readonly metric: string;
  readonly value: string;
  readonly ts: string;
}

export interface LoadTally {
  events: number;
  requests: number;
  /** Requests that got no answer, and were sent again. */
  unanswered: number;
  /** Requests that were answered with anything but 200, by status. */
  readonly refused: Map<number, number>;
  /** Acknowledged: `tenant metric` → events and sum. */
  readonly byTenant: Map<string, { events: bigint; sum: bigint }>;
}

export interface SenderOptions {
  readonly url: string;
  readonly key: string;
  readonly batchEvents: number;
  readonly makeEvent: () => LoadEvent;
  readonly connections: number;
}

const allAcknowledged = z.object({
  acknowledged: z.int(),
  refused: z.literal(0),
  notAcknowledged: z.literal(0),
});

/** @param signal no new batches once it is aborted; those that are open are sent to their end */
export async function sendUntil(
  signal: AbortSignal,
  options: SenderOptions,
  tally: LoadTally,
): Promise<void> {
  const sender = async (): Promise<void> => {
    while (!signal.aborted) {
      const events = Array.from({ length: options.batchEvents }, options.makeEvent);
      await sendToTheEnd(events, options, tally);
    }
  };
  await Promise.all(Array.from({ length: options.connections }, sender));
}

export function newTally(): LoadTally {
  return { events: 0, requests: 0, unanswered: 0, refused: new Map(), byTenant: new Map() };
}

async function sendToTheEnd(
  events: readonly LoadEvent[],
  options: SenderOptions,
  tally: LoadTally,
): Promise<void> {
  const request = {
    method: 'POST',
    body: JSON.stringify(events),
    headers: {
      authorization: `Bearer ${options.key}`,
      'content-type': 'application/json',
      'idempotency-key': randomUUID(),
    },
  };
  for (;;) {
    tally.requests += 1;
    const answer = await answered(`${options.url}/v1/events`, request);
    if (answer?.status === 200) {
      const { acknowledged } = allAcknowledged.parse(answer.body);
      if (acknowledged !== events.length) throw new Error(`${acknowledged} of ${events.length} acknowledged`);
      for (const event of events) add(tally, event);
      return;
    }
    if (answer === null) tally.unanswered += 1;
    else tally.refused.set(answer.status, (tally.refused.get(answer.status) ?? 0) + 1);
    await delay(RETRY_MS);
  }
}

/** Null: no whole answer came, so nobody knows what became of it. */
async function answered(url: string, init: RequestInit): Promise<{ status: number; body: unknown } | null> {
  try {
    const response = await fetch(url, init);
    return { status: response.status, body: await response.json() };
  } catch (error) {
    if (error instanceof TypeError || error instanceof SyntaxError) return null;
    throw error;
  }
}

function add(tally: LoadTally, { tenantId, metric, value }: LoadEvent): void {
  tally.events += 1;
  const key = `${tenantId} ${metric}`;
  const so = tally.byTenant.get(key) ?? { events: 0n, sum: 0n };
  tally.byTenant.set(key, { events: so.events + 1n, sum: so.sum + BigInt(value) });
}
