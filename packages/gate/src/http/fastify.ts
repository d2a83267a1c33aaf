/** `app.post('/v1/chat', { preHandler: fastifyGuard(gate, { question, record }, logger) }, handler)` */
import type { Logger } from '@meterhouse/runtime';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Gate } from '../gate.ts';
import { guard, type RouteGuard } from './guard.ts';

/** A preHandler for Fastify: the handler runs only if the gate admits the request. */
export function fastifyGuard(
  gate: Gate,
  route: RouteGuard<FastifyRequest>,
  logger: Logger,
): (request: FastifyRequest, reply: FastifyReply) => Promise<void> {
  return async (request, reply) => {
    const { answer, ended } = await guard(gate, route, request, logger);
    reply.headers(answer.headers);
    if (answer.problem !== null) {
      await reply.code(answer.status).send(JSON.stringify(answer.problem));
      return;
    }
    const { raw } = reply;
    raw.once('finish', () => {
      ended(raw.statusCode < 500);
    });
    raw.once('close', () => {
      ended(false);
    });
  };
}
