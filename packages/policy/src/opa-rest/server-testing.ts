/** An HTTP server that answers as a test says, and knows what was asked and which connections are open. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import type { PolicyQuestion } from '@meterhouse/quota';
import { CONTRACT_RULES } from '../contract-testing.ts';
import { obviousVerdict } from '../obvious-testing.ts';

interface Asked {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly authorization: string | undefined;
  readonly body: unknown;
}

type Answer = (response: ServerResponse, body: unknown) => void;

export class OpaServer {
  readonly asked: Asked[] = [];
  readonly sockets = new Set<Socket>();
  answer: Answer;
  readonly #server = createServer((request, response) => {
    void this.#serve(request, response);
  });

  constructor(answer: Answer = decideAsOpaWould) {
    this.answer = answer;
    this.#server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body: unknown = JSON.parse(await text(request));
    const { method, url, headers } = request;
    this.asked.push({ method, url, authorization: headers.authorization, body });
    this.answer(response, body);
  }
}

export function json(response: ServerResponse, body: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

/** As OPA's data API does with a policy that follows the rules of the contract. */
function decideAsOpaWould(response: ServerResponse, body: unknown): void {
  const { input } = body as { input: PolicyQuestion };
  const { outcome, rules } = obviousVerdict(CONTRACT_RULES, input);
  json(response, {
    result: { allow: outcome === 'allow', rules },
    decision_id: '0b6b5b3c-6a6c-4f0e-8e0a-0c8b9f1f7f11',
    provenance: { version: '1.9.0', bundles: { data: { revision: 'r7' }, authz: { revision: 'r42' } } },
  });
}
