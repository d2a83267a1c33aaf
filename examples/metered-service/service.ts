/**
 * A service that summarizes texts, and is metered: it asks before the work, and counts what the work
 * used. Nothing here knows where usage goes; meterhouse.toml or the environment does.
 *
 *   POST /summaries   a text; answers its first sentence
 *   GET  /usage       tokens of the tenant in this hour
 *
 * A real service takes tenant and user from a verified token, never from headers.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { AskError, CheckDenied, withTenant, type Meter } from '@meterhouse/producer';

const HOUR_MS = 3_600_000;
const SUMMARIZE = { product: 'summaries', resourceType: 'summary', action: 'create' } as const;

export function createService(meter: Meter, now: () => number): Server {
  return createServer((request, response) => {
    const tenantId = String(request.headers['x-tenant'] ?? '');
    const user = String(request.headers['x-user'] ?? 'nobody');
    const principal = { type: 'user', id: user, roles: ['member'], scopes: [] };
    withTenant({ tenantId, principal }, () => {
      answer(meter, now, request, response).catch((error: unknown) => {
        send(response, ...asAnswer(error));
      });
    });
  });
}

async function answer(
  meter: Meter,
  now: () => number,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  switch (`${request.method} ${request.url}`) {
    case 'POST /summaries': {
      const body = await text(request);
      const tokens = body.split(/\s+/).length;
      await meter.checkOrThrow({ ...SUMMARIZE, usage: { metric: 'tokens', unit: 'token', delta: tokens } });
      meter.add({ metric: 'tokens', value: tokens });
      send(response, 200, { summary: body.split('.', 1)[0] });
      return;
    }
    case 'GET /usage': {
      const from = Math.floor(now() / HOUR_MS) * HOUR_MS;
      const usage = await meter.getUsage({ metric: 'tokens', from, to: from + HOUR_MS });
      send(response, 200, { tokens: usage.value, asOf: usage.asOf });
      return;
    }
    default:
      send(response, 404, { error: 'not_found' });
  }
}

function asAnswer(error: unknown): [status: number, body: object] {
  if (error instanceof CheckDenied)
    return [error.reason === 'quota_exhausted' ? 429 : 403, { error: error.reason, message: error.message }];
  if (error instanceof AskError)
    return [error.canRetry ? 503 : 400, { error: error.code, message: error.message }];
  return [500, { error: 'internal' }];
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
