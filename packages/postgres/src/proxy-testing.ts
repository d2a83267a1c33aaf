/** A door to Postgres that can be shut: connections through it break, and new ones are refused. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export interface PostgresProxy {
  /** The same URL at the proxy's address. */
  readonly url: string;
  shut(): Promise<void>;
  open(): Promise<void>;
  /** As with a server that is frozen: what is sent gets no answer and no refusal. For good. */
  freeze(): void;
}

export async function postgresProxy(url: string): Promise<PostgresProxy> {
  const target = new URL(url);
  const sockets = new Set<Socket>();
  let server: Server | null = null;
  let port = 0;
  let frozen = false;
  const accept = (client: Socket): void => {
    const upstream = connect(Number(target.port), target.hostname);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
      if (!frozen) socket.pipe(other);
    }
  };
  const proxy = {
    url: '',
    freeze: () => {
      frozen = true;
      for (const socket of sockets) socket.unpipe().pause();
    },
    open: async () => {
      server = createServer(accept).listen(port, '127.0.0.1');
      await once(server, 'listening');
      ({ port } = server.address() as AddressInfo);
    },
    shut: async () => {
      if (server === null) return;
      const closed = once(server, 'close');
      server.close();
      server = null;
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
  await proxy.open();
  onTestFinished(() => proxy.shut());
  const at = new URL(url);
  at.hostname = '127.0.0.1';
  at.port = String(port);
  proxy.url = at.href;
  return proxy;
}
