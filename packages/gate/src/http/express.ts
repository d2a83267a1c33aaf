/** `app.post('/v1/chat', expressGuard(gate, { question, record }, logger), handler)` */
import type { Logger } from '@meterhouse/runtime';
import type { Request, RequestHandler } from 'express';
import type { Gate } from '../gate.ts';
import { guard, type RouteGuard } from './guard.ts';

/** Middleware for Express: the handler runs only if the gate admits the request. */
export function expressGuard(gate: Gate, route: RouteGuard<Request>, logger: Logger): RequestHandler {
  return async (request, response, next) => {
    const { answer, ended } = await guard(gate, route, request, logger);
    response.set(answer.headers);
    if (answer.problem !== null) {
      response.status(answer.status).send(JSON.stringify(answer.problem));
      return;
    }
    // `close` comes after `finish`, and alone where the client has gone before the answer was out.
    response.once('finish', () => {
      ended(response.statusCode < 500);
    });
    response.once('close', () => {
      ended(false);
    });
    next();
  };
}
