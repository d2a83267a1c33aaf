/** An Express app in three forms, each on a port of its own: bare, and metered to Kafka in two ways. */
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createMeter, type Meter, type MeterConfiguration } from '@meterhouse/producer';
import { expressUsage } from '@meterhouse/producer/express';
import express, { type Express } from 'express';

export interface AppPorts {
  readonly bare: number;
  /** Each request's usage goes out by itself. */
  readonly metered: number;
  /** It is added up for a quarter of a second. */
  readonly summed: number;
}

/** Events that the broker acknowledged. */
export type AppDelivered = Record<'metered' | 'summed', number>;

process.once('message', (kafka: NonNullable<MeterConfiguration['kafka']>) => {
  void serve(kafka);
});

async function serve(kafka: NonNullable<MeterConfiguration['kafka']>): Promise<void> {
  const common = { source: 'bench-app', adapter: 'kafka', kafka } as const;
  const meters = {
    metered: createMeter(common),
    summed: createMeter({ ...common, sums: { everyMs: 250 } }),
  };
  const meteredBy = (meter: Meter): Express =>
    express().use(expressUsage({ meter, tenant: () => 'acme-search' }));
  const servers = {
    bare: await listening(withRoutes(express())),
    metered: await listening(withRoutes(meteredBy(meters.metered))),
    summed: await listening(withRoutes(meteredBy(meters.summed))),
  };
  const ports: AppPorts = {
    bare: portOf(servers.bare),
    metered: portOf(servers.metered),
    summed: portOf(servers.summed),
  };
  process.send?.(ports);
  await once(process, 'message');
  for (const server of Object.values(servers)) {
    server.closeAllConnections();
    server.close();
  }
  const delivered: AppDelivered = {
    metered: (await meters.metered.close()).acknowledged,
    summed: (await meters.summed.close()).acknowledged,
  };
  process.send?.(delivered, () => process.disconnect());
}

/** What a small API does: a mounted router reads a body, and answers with another. */
function withRoutes(app: Express): Express {
  const searches = express.Router();
  searches.post('/:index', express.json(), (request, response) => {
    const { query } = request.body as { query: string };
    const found = Array.from({ length: 20 }, (_, rank) => ({
      rank,
      title: `${query} ${rank}`,
      score: 1 / (rank + 1),
    }));
    response.json({ index: request.params.index, found });
  });
  return app.use('/searches', searches);
}

async function listening(app: Express): Promise<Server> {
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
