/** What a living system sees, good and bad, through its HTTP API: so that no panel has nothing to show. */
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { pause } from '@meterhouse/runtime';
import { z } from 'zod';

const EVERY_MS = 500;
const LATE_MS = 20 * 60_000;
const REQUEST_MS = 20_000;
/** More at once than a key may send in its burst. */
const FLOOD = 60;

export interface TrafficOptions {
  /** http://127.0.0.1:port of the API. */
  readonly api: string;
  /** Of the platform's admin. */
  readonly key: string;
}

export interface Traffic {
  /** Resolves when a round of everything has been sent. */
  readonly firstRound: Promise<void>;
  /** Resolves when nothing is under way any more. */
  stop(): Promise<void>;
}

/** Rounds of it, until it is stopped. The first error ends it, and stop() throws it. */
export async function startTraffic(options: TrafficOptions): Promise<Traffic> {
  const stopping = new AbortController();
  const receiver = await startReceiver();
  const tenantKey = await prepare(options, receiver.url);
  const first = Promise.withResolvers<undefined>();
  const rounds = (async () => {
    for (let round = 0; !stopping.signal.aborted; round++) {
      await sendRound(options, tenantKey, round);
      first.resolve(undefined);
      await pause(EVERY_MS, stopping.signal);
    }
  })();
  rounds.catch((error: unknown) => first.reject(error));
  return {
    firstRound: first.promise,
    stop: async () => {
      stopping.abort();
      try {
        await rounds;
      } finally {
        receiver.server.close();
        receiver.server.closeAllConnections();
      }
    },
  };
}

/** Answers every other delivery with an error, so that some are tried again. */
async function startReceiver(): Promise<{ server: Server; url: string }> {
  let count = 0;
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(count++ % 2 === 0 ? 204 : 500).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook` };
}

/** A webhook, and a key of one tenant. */
async function prepare(options: TrafficOptions, receiver: string): Promise<string> {
  const made = await post(options, '/v1/keys', {
    role: 'tenant_admin',
    tenantId: 'acme',
    name: 'dashboards',
  });
  const { key } = z.object({ key: z.string() }).parse(made.body);
  await post(options, '/v1/webhooks', {
    tenantId: 'acme',
    url: receiver,
    events: ['quota.denied', 'usage.threshold_reached'],
    quietSeconds: 0,
  });
  return key;
}

async function sendRound(options: TrafficOptions, tenantKey: string, round: number): Promise<void> {
  const now = Date.now();
  const good = (source: string, index: number, ts = now) => ({
    id: `${source}-${round}-${index}`,
    tenantId: 'acme-search',
    metric: 'llm.input_tokens',
    value: '3',
    ts: new Date(ts).toISOString(),
    source,
    attrs: { model: index % 2 === 0 ? 'large' : 'small' },
  });
  const batch = [
    ...Array.from({ length: 20 }, (_, index) => good('search-api', index)),
    ...Array.from({ length: 5 }, (_, index) => good('batch-job', index, now - LATE_MS)),
    { ...good('search-api', 90), metric: 'not.registered' },
    { ...good('batch-job', 91), tenantId: 'nobody' },
  ];
  await post(options, '/v1/events', batch);
  // All that the plan gives of it.
  if (round === 0)
    await post(options, '/v1/events', [
      { ...good('batch-job', 95), metric: 'llm.output_tokens', value: '1000' },
    ]);
  // The same again: de-duplication knows them all.
  await post(options, '/v1/events', batch.slice(0, 3));
  // Refused, each for a reason of its own.
  await send(options, 'POST', '/v1/events', [{ ...good('search-api', 92), value: 'many' }]);
  await send({ ...options, key: 'not-a-key' }, 'GET', '/v1/usage?tenantId=acme');
  await send({ ...options, key: tenantKey }, 'GET', '/v1/usage?tenantId=globex');
  await post(options, '/v1/decide', question('acme-search', 'llm.input_tokens', '2'));
  await post(options, '/v1/decide', question('acme-search', 'llm.output_tokens', '1000000'));
  if (round === 0 || round % 10 === 5) {
    const flood = Array.from({ length: FLOOD }, () =>
      send({ ...options, key: tenantKey }, 'GET', '/v1/usage?tenantId=acme'),
    );
    await Promise.all(flood);
    await post(options, '/v1/quarantine/replay', {
      reasonCode: 'unknown_metric',
      reason: 'dashboards',
      limit: 5,
    });
  }
}

function question(tenantId: string, metric: string, delta: string): object {
  return {
    actor: { type: 'user', id: 'ann', roles: ['member'] },
    tenantId,
    product: 'inference',
    resourceType: 'model',
    action: 'call',
    usage: { metric, unit: 'token', delta },
  };
}

interface Answered {
  readonly status: number;
  readonly body: unknown;
}

/** @throws when it is not taken */
async function post(options: TrafficOptions, path: string, body: object): Promise<Answered> {
  const answer = await send(options, 'POST', path, body);
  if (answer.status >= 300)
    throw new Error(`POST ${path} answered ${answer.status}: ${JSON.stringify(answer.body).slice(0, 500)}`);
  return answer;
}

async function send(
  { api, key }: TrafficOptions,
  method: 'GET' | 'POST',
  path: string,
  body?: object,
): Promise<Answered> {
  const answer = await fetch(`${api}${path}`, {
    method,
    headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' },
    signal: AbortSignal.timeout(REQUEST_MS),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: answer.status, body: await answer.json() };
}
