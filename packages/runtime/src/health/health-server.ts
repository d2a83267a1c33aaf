/** /metrics, /healthz and /readyz on a port of their own, for machines on the inside. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Scrub } from '../secrets.ts';
import type { Health } from './health.ts';

export interface HealthServerOptions {
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
  readonly metrics: Metrics;
  readonly health: Health;
  readonly logger: Logger;
  /** Takes credentials out of the reasons that are told. */
  readonly scrub: Scrub;
}

export interface HealthServer {
  /** http://host:port */
  readonly url: string;
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const JSON_TYPE = 'application/json';
const MAX_CONNECTIONS = 64;
const REQUEST_TIMEOUT_MS = 10_000;
const MAX_HEADER_BYTES = 8 * 1024;

/** @throws when the port is taken */
export async function serveHealth(options: HealthServerOptions): Promise<HealthServer> {
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: REQUEST_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: REQUEST_TIMEOUT_MS,
    },
    (request, response) => {
      void respond(request, response, options);
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  server.listen(options.port, options.host);
  await once(server, 'listening');
  const { address, family, port } = server.address() as AddressInfo;
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  options: HealthServerOptions,
): Promise<void> {
  // A body is not wanted; what comes anyway is thrown away.
  request.resume();
  const { status, type, body: unclean } = await answer(request, options);
  const body = type === JSON_TYPE ? options.scrub(unclean) : unclean;
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    ...(status === 405 ? { Allow: 'GET, HEAD' } : {}),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

async function answer(request: IncomingMessage, options: HealthServerOptions): Promise<Answer> {
  const { metrics, health, logger } = options;
  if (request.method !== 'GET' && request.method !== 'HEAD') return json(405, { error: 'only GET and HEAD' });
  try {
    switch (request.url?.split('?', 1)[0] ?? '') {
      case '/metrics':
        return { status: 200, type: metrics.contentType, body: await metrics.text() };
      case '/healthz': {
        const liveness = health.liveness();
        return json(liveness.alive ? 200 : 503, liveness);
      }
      case '/readyz': {
        const readiness = health.readiness();
        return json(readiness.ready ? 200 : 503, readiness);
      }
      default:
        return json(404, { error: 'there are /metrics, /healthz and /readyz' });
    }
  } catch (error) {
    logger.error({ err: error, path: request.url }, 'the state of this service cannot be told');
    return json(500, { error: 'see the log' });
  }
}

function json(status: number, content: object): Answer {
  return { status, type: JSON_TYPE, body: `${JSON.stringify(content)}\n` };
}
