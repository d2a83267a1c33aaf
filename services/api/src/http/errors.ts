/** Turns whatever goes wrong into a problem: ours as they are, the framework's by their meaning. */
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { isRetryable } from '@meterhouse/postgres';
import { ApiProblem, type FieldError, type ProblemCode } from './problem.ts';

const FRAMEWORK_CODES: Readonly<Record<string, ProblemCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'invalid_json',
  FST_ERR_CTP_INVALID_JSON_BODY: 'invalid_json',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'invalid_request',
  FST_ERR_BAD_URL: 'invalid_request',
  FST_ERR_MAX_PARAM_LENGTH: 'invalid_request',
};
/** Postgres is away or gave way to somebody else: the same request may pass in a moment. */
const RETRY_SECONDS = 1;

export function answerErrors(app: FastifyInstance): void {
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const problem = problemOf(error);
    if (problem.status >= 500) request.log.error({ err: error, code: problem.code }, 'request failed');
    else request.log.debug({ code: problem.code, detail: problem.message }, 'request refused');
    return sendProblem(request, reply, problem);
  });
  app.setNotFoundHandler((request, reply) =>
    sendProblem(request, reply, new ApiProblem('not_found', 'There is nothing at this address.')),
  );
}

function sendProblem(request: FastifyRequest, reply: FastifyReply, problem: ApiProblem): FastifyReply {
  if (problem.retryAfterSeconds !== null) reply.header('Retry-After', `${problem.retryAfterSeconds}`);
  if (problem.code === 'unauthenticated') reply.header('WWW-Authenticate', 'Bearer realm="meterhouse"');
  return reply
    .code(problem.status)
    .header('Cache-Control', 'no-store')
    .type('application/problem+json')
    .serializer((body: unknown) => JSON.stringify(body))
    .send(problem.body(request.id));
}

function problemOf(error: FastifyError): ApiProblem {
  if (error instanceof ApiProblem) return error;
  if (hasZodFastifySchemaValidationErrors(error)) {
    const part = error.validationContext === 'querystring' ? 'query' : (error.validationContext ?? 'body');
    const errors = error.validation.map((issue): FieldError => ({
      field: [part, ...issue.instancePath.split('/').filter((step) => step !== '')].join('.'),
      detail: issue.message ?? 'is not valid',
    }));
    const [first] = errors;
    const detail = first === undefined ? 'The request is not valid.' : `${first.field}: ${first.detail}`;
    return new ApiProblem('invalid_request', detail, { errors });
  }
  const known = FRAMEWORK_CODES[error.code];
  if (known !== undefined) return new ApiProblem(known, error.message, { cause: error });
  if (isRetryable(error))
    return new ApiProblem('unavailable', 'A store does not answer at the moment.', {
      retryAfterSeconds: RETRY_SECONDS,
      cause: error,
    });
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500)
    return new ApiProblem('invalid_request', error.message, { cause: error });
  return new ApiProblem('internal', 'Something went wrong on our side.', { cause: error });
}
