/** `POST /v1/events`: usage from whoever speaks HTTP. */
import type { IncomingMessage } from 'node:http';
import type { Metrics } from '@meterhouse/runtime/metrics';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { readForm } from '../events/forms.ts';
import { EVENT_BODIES } from '../events/documented-bodies.ts';
import { derivedIds, idempotencyHeaders } from '../events/idempotency.ts';
import type { EventIntake } from '../events/intake.ts';
import type { IntakeLease } from '../events/intake-budget.ts';
import { answerOf, eventsAnswer, eventsProblem, statusOf, type EventsAnswer } from '../events/outcomes.ts';
import { readBody } from '../events/read-body.ts';
import { recordEvents } from '../events/record-events.ts';
import { ApiProblem } from '../http/problem.ts';
import { addRoute } from '../http/route.ts';
import { intakeInstruments } from '../observe/intake-instruments.ts';

export interface EventParts {
  readonly intake: EventIntake;
  readonly metrics: Metrics;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** What the request's body holds of the intake's budget; null where no body of events is read. */
    intakeLease: IntakeLease | null;
  }
}

const RETRY_SECONDS = 2;
const NO_BODY = Buffer.alloc(0);

const DESCRIPTION = `One event, an array, NDJSON, or CloudEvents 1.0 (structured, batched, binary); at most 1,000
events or 5 MB, as they are sent and inflated (\`Content-Encoding: gzip\` or \`zstd\`).

**Acknowledged** means: on all in-sync replicas of the broker. The answer says it for each event. Sent twice
with the same id, an event counts once; events without an id get one that follows from \`Idempotency-Key\`
and their position where that header is given.

200: all acknowledged. 207: some; look at each. 422: all refused. 503: none acknowledged, and the broker is
why; send again after \`Retry-After\`. Any other error: nothing was taken.`;

export function eventRoutes(app: FastifyInstance, { intake, metrics }: EventParts): void {
  const counted = intakeInstruments(metrics, intake);
  // A scope of its own: nowhere else is a body read like this.
  app.register((scope, _options, done) => {
    receiveBodies(scope, intake);
    addRoute(scope, {
      method: 'POST',
      url: '/v1/events',
      operationId: 'sendEvents',
      tag: 'events',
      summary: 'Send usage events',
      description: DESCRIPTION,
      // Usage is what is billed, so whoever may send it can do just that: an administrator of a tenant
      // makes an ingest key, which is audited and revoked by itself. There are no ingest keys for the
      // whole platform; its own services send as operator.
      access: { kind: 'scope', roles: ['ingest', 'operator', 'platform_admin'] },
      headers: idempotencyHeaders,
      bodies: EVENT_BODIES,
      answer: { status: 200, schema: eventsAnswer },
      problems: ['invalid_json', 'too_large', 'unsupported_media_type'],
      moreAnswers: {
        207: { description: 'Not all acknowledged', type: 'application/json', schema: eventsAnswer },
        422: { description: 'refused', type: 'application/problem+json', schema: eventsProblem },
        503: {
          description: 'unavailable, overloaded',
          type: 'application/problem+json',
          schema: eventsProblem,
        },
      },
      handle: async ({ request, reply }, caller) => {
        const idOf = derivedIds(request.headers, caller.principal.tenantId);
        const body = Buffer.isBuffer(request.body) ? request.body : NO_BODY;
        const drafts = readForm(request.headers, body);
        intake.requireRoom(drafts.length);
        const outcomes = await recordEvents(drafts, { ...caller, idOf }, intake.meter);
        counted(outcomes);
        return answered(reply, answerOf(outcomes), request.id);
      },
    });
    done();
  });
}

/** Bodies are read after the key was checked and before anything else is, whatever their media type. */
function receiveBodies(scope: FastifyInstance, { budget }: EventIntake): void {
  scope.decorateRequest('intakeLease', null);
  scope.addHook('onRequest', async (request, reply) => {
    const { principal } = request;
    const lease = budget.lease(principal === null ? '' : `${principal.type} ${principal.id}`);
    request.intakeLease = lease;
    // Also where the client has gone away.
    reply.raw.once('close', lease.release);
  });
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser('*', async (request: FastifyRequest, payload: IncomingMessage) => {
    if (request.intakeLease === null) throw new Error('a body is read without a lease');
    return readBody(payload, request.headers['content-encoding'], request.intakeLease);
  });
}

function answered(reply: FastifyReply, answer: EventsAnswer, correlationId: string): FastifyReply {
  const status = statusOf(answer);
  if (answer.notAcknowledged > 0) reply.header('Retry-After', `${RETRY_SECONDS}`);
  reply.code(status);
  if (status === 200 || status === 207) return reply.send(answer);
  const problem =
    status === 422
      ? new ApiProblem('refused', 'No event could be taken: see `events`.', { errors: fieldErrors(answer) })
      : new ApiProblem('unavailable', 'The broker acknowledged no event: send them again.', {
          retryAfterSeconds: RETRY_SECONDS,
        });
  return reply.type('application/problem+json').send({ ...problem.body(correlationId), ...answer });
}

function fieldErrors({ events }: EventsAnswer): { field: string; detail: string }[] {
  return events.flatMap((event) =>
    event.outcome === 'refused'
      ? [{ field: `body.${event.index}.${event.field}`, detail: event.detail }]
      : [],
  );
}
