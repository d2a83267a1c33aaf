/** A receiver of webhooks, of which some fail until they are mended. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Receiver {
  /** /fail is answered 500, /gone 410, /slow never; once mended, all are answered 200. */
  readonly url: string;
  readonly mend: () => void;
  readonly close: () => Promise<void>;
}

const STATUS: Readonly<Record<string, number>> = { '/fail': 500, '/gone': 410 };

export async function startReceiver(): Promise<Receiver> {
  let mended = false;
  const hanging = new Set<ServerResponse>();
  const server = createServer((request, response) => {
    request.resume();
    const path = request.url ?? '';
    if (!mended && path === '/slow') {
      hanging.add(response);
      response.once('close', () => hanging.delete(response));
      return;
    }
    response.writeHead(mended ? 200 : (STATUS[path] ?? 200)).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    mend: () => {
      mended = true;
      for (const response of hanging) response.writeHead(200).end();
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
