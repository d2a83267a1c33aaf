/** The HTTP server without its routes: bounds, headers, errors, validation, access. */
import type { SecureContextOptions } from 'node:tls';
import helmet from '@fastify/helmet';
import type { Logger } from '@meterhouse/runtime';
import type { Metrics } from '@meterhouse/runtime/metrics';
import type { BeginSpan } from '@meterhouse/runtime/tracing';
import {
  fastify,
  LogController,
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyServerOptions,
} from 'fastify';
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import type { Authenticate } from '../access/authorize.ts';
import type { TenantTree } from '../access/tenant-tree.ts';
import { countRequests } from '../observe/http-instruments.ts';
import { traceRequests } from '../observe/request-traces.ts';
import { endKeptConnections } from './close-server.ts';
import { CORRELATION_HEADER, correlationId } from './correlation.ts';
import { documentRoutes } from './documentation.ts';
import { answerErrors } from './errors.ts';
import { parseJson } from './json-limits.ts';
import { limitKeys, type KeyLimits } from './key-limits.ts';
import { refuseUnstorableTexts } from './plain-text.ts';
import { checkAccess } from './route.ts';

export interface ServerParts {
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Traces requests; by default none. */
  readonly beginSpan?: BeginSpan | null;
  readonly authenticate: Authenticate;
  readonly tree: TenantTree;
  readonly keyLimits: KeyLimits;
  readonly newId: () => string;
  /** Null: plain HTTP, behind a proxy or on loopback. */
  readonly tls: SecureContextOptions | null;
}

export interface ServerBounds {
  readonly bodyBytes: number;
  /** How long a client may take to send its request. */
  readonly requestMs: number;
  readonly keepAliveMs: number;
  readonly connections: number;
}

const BOUNDS: ServerBounds = {
  bodyBytes: 1024 * 1024,
  requestMs: 30_000,
  keepAliveMs: 72_000,
  connections: 10_000,
};

export async function createServer(
  parts: ServerParts,
  bounds: ServerBounds = BOUNDS,
): Promise<FastifyInstance> {
  // By its base type, so that the server's own type stays the plain one.
  const loggerInstance: FastifyBaseLogger = parts.logger;
  const options = {
    loggerInstance,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'correlationId' }),
    bodyLimit: bounds.bodyBytes,
    requestTimeout: bounds.requestMs,
    keepAliveTimeout: bounds.keepAliveMs,
    // A draining server answers what it has, also what a client has sent already on a connection it keeps.
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    genReqId: (request) => correlationId(request, parts.newId),
    routerOptions: { maxParamLength: 256 },
  } satisfies FastifyServerOptions;
  // Its type does not tell HTTPS from HTTP, and nothing above the socket needs to.
  const app: FastifyInstance =
    parts.tls === null ? fastify(options) : fastify({ ...options, https: parts.tls } as FastifyServerOptions);
  app.server.maxConnections = bounds.connections;
  endKeptConnections(app);
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  answerErrors(app);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
    try {
      done(null, parseJson(body.toString()));
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)));
    }
  });
  // Everything is an answer to a program; the documentation page sets its own policy.
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    },
    xFrameOptions: { action: 'deny' },
  });
  app.addHook('onRequest', async (request, reply) => {
    reply.header(CORRELATION_HEADER, request.id);
    // Usage is nobody else's business: no cache keeps it unless a route says so.
    reply.header('Cache-Control', 'no-store');
  });
  countRequests(app, parts.metrics);
  const { beginSpan = null } = parts;
  if (beginSpan !== null) traceRequests(app, beginSpan);
  checkAccess(app, parts);
  limitKeys(app, parts.keyLimits);
  refuseUnstorableTexts(app);
  await documentRoutes(app);
  return app;
}
