/** A sink as OpenMeter's, for `format = "openmeter"`: it keeps what it took, and is away or refuses as it is told. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Sink {
  readonly url: string;
  /** Of the events that it took, in order. */
  readonly ids: string[];
  isAway: boolean;
  /** Ids that it says are too large. */
  readonly refuses: Set<string>;
}

/** @param atEnd is given what closes it */
export async function newSink(atEnd: (close: () => void) => void): Promise<Sink> {
  const sink = { url: '', ids: [] as string[], isAway: false, refuses: new Set<string>() };
  const server = createServer((request, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const events = JSON.parse(Buffer.concat(chunks).toString()) as { id: string }[];
      const ids = events.map(({ id }) => id);
      const status = sink.isAway ? 503 : ids.some((id) => sink.refuses.has(id)) ? 413 : 204;
      if (status === 204) sink.ids.push(...ids);
      response.writeHead(status).end();
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(() => {
    server.closeAllConnections();
    server.close();
  });
  sink.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return sink;
}
