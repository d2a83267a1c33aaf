/** An Express app in two forms, each on a port of its own: bare, and metered to Kafka. */
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createMeter, type MeterConfiguration } from '@meterhouse/producer';
import { expressUsage } from '@meterhouse/producer/express';
import express, { type Express } from 'express';

export interface AppPorts {
  readonly bare: number;
  readonly metered: number;
}

process.once('message', (kafka: NonNullable<MeterConfiguration['kafka']>) => {
  void serve(kafka);
});

async function serve(kafka: NonNullable<MeterConfiguration['kafka']>): Promise<void> {
  const meter = createMeter({ source: 'bench-app', adapter: 'kafka', kafka });
  const metered = express().use(expressUsage({ meter, tenant: () => 'acme-search' }));
  const servers = {
    bare: await listening(withRoutes(express())),
    metered: await listening(withRoutes(metered)),
  };
  process.send?.({ bare: portOf(servers.bare), metered: portOf(servers.metered) } satisfies AppPorts);
  await once(process, 'message');
  for (const server of Object.values(servers)) {
    server.closeAllConnections();
    server.close();
  }
  process.send?.(await meter.close(), () => process.disconnect());
}

/** What a small API does: it reads a body, and answers with another. */
function withRoutes(app: Express): Express {
  app.post('/searches/:index', express.json(), (request, response) => {
    const { query } = request.body as { query: string };
    const found = Array.from({ length: 20 }, (_, rank) => ({
      rank,
      title: `${query} ${rank}`,
      score: 1 / (rank + 1),
    }));
    response.json({ index: request.params.index, found });
  });
  return app;
}

async function listening(app: Express): Promise<Server> {
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
