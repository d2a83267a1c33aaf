/** The routes. What each asks of the gate stands in one place, so that a route reads like a route. */
import express, { type Express, type Request } from 'express';
import type { Gate } from '@meterhouse/gate';
import { expressGuard } from '@meterhouse/gate/express';
import type { Question } from '@meterhouse/quota';
import type { Logger } from '@meterhouse/runtime';

/** A number that stays away from the gate's own: input tokens are known once the prompt is. */
const TOKENS_PER_CHARACTER = 4;

export function createGateway(gate: Gate, record: (question: Question) => void, logger: Logger): Express {
  const app = express();
  app.disable('x-powered-by');
  app.use(express.json({ limit: '1mb' }));
  const guarded = (question: (request: Request) => Question) =>
    expressGuard(gate, { question, record: (_request, asked) => record(asked) }, logger);

  app.post('/v1/chat', guarded(chat), (_request, response) => {
    response.json({ answer: 'as a model would say' });
  });
  app.post('/v1/jobs', guarded(launch), (_request, response) => {
    response.status(201).json({ job: 'started' });
  });
  app.get('/v1/items', guarded(items), (_request, response) => {
    response.json({ items: [] });
  });
  return app;
}

function chat(request: Request): Question {
  const body: unknown = request.body;
  const prompt = typeof body === 'object' && body !== null && 'prompt' in body ? String(body.prompt) : '';
  const tokens = Math.max(1, Math.ceil(prompt.length / TOKENS_PER_CHARACTER));
  return {
    ...caller(request),
    route: 'POST /v1/chat',
    product: 'inference',
    resourceType: 'model',
    action: 'call',
    usage: { metric: 'llm.input_tokens', unit: 'token', delta: tokens },
  };
}

function launch(request: Request): Question {
  return {
    ...caller(request),
    route: 'POST /v1/jobs',
    product: 'compute',
    resourceType: 'job',
    action: 'launch',
    usage: { metric: 'gpu.hours', unit: 'hour', delta: '0.5' },
    slots: Number(request.query['gpus'] ?? 1),
  };
}

function items(request: Request): Question {
  return {
    ...caller(request),
    route: 'GET /v1/items',
    product: 'api',
    resourceType: 'route',
    action: 'call',
    usage: { metric: 'api.calls', unit: 'call', delta: 1 },
  };
}

/** Stands for what a verified token says. */
function caller(request: Request): Pick<Question, 'actor' | 'tenantId'> {
  const roles = request.header('x-role');
  return {
    actor: {
      type: 'user',
      id: request.header('x-user') ?? 'anonymous',
      roles: roles === undefined ? [] : [roles],
      scopes: [],
    },
    tenantId: request.header('x-tenant') ?? 'nobody',
  };
}
