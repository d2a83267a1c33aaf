/** A real HTTP receiver on loopback. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { Webhook } from 'standardwebhooks';
import { onTestFinished } from 'vitest';
import { webhookEvent, type WebhookEvent } from '@meterhouse/webhooks';

export interface Received {
  readonly id: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Receiver {
  readonly url: string;
  readonly port: number;
  /** In the order in which they came. */
  readonly received: Received[];
  /** The most that were answered at once. */
  mostAtOnce(): number;
}

/** Answers a request; by default with 204. */
export type Answer = (response: ServerResponse, received: Received, count: number) => void | Promise<void>;

export const ok: Answer = (response) => {
  response.writeHead(204).end();
};

export function status(code: number, headers: Readonly<Record<string, string>> = {}): Answer {
  return (response) => {
    response.writeHead(code, headers).end('an answer');
  };
}

export async function startReceiver(
  answer: Answer = ok,
  at: { readonly host?: string; readonly port?: number } = {},
): Promise<Receiver> {
  const received: Received[] = [];
  let open = 0;
  let most = 0;
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    most = Math.max(most, (open += 1));
    response.on('close', () => (open -= 1));
    const body = await text(request);
    const headers = Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
    );
    const one = { id: headers['webhook-id'] ?? '', headers, body };
    received.push(one);
    await answer(response, one, received.length);
  };
  const server: Server = createServer((request, response) => {
    take(request, response).catch(() => response.destroy());
  });
  server.listen(at.port ?? 0, at.host ?? '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://${at.host ?? '127.0.0.1'}:${port}/hook`, port, received, mostAtOnce: () => most };
}

/** As a receiver does it: by the library. @throws WebhookVerificationError */
export function verified(received: Received, secret: string): WebhookEvent {
  return webhookEvent.parse(new Webhook(secret).verify(received.body, { ...received.headers }));
}
