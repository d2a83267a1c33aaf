/** Errors as `application/problem+json` (RFC 9457), with a code that a client's program may look at. */
import { z } from 'zod';

/** Every code that the API answers with, and its status. Stable: clients compare them. */
export const PROBLEM_CODES = {
  invalid_request: 400,
  invalid_json: 400,
  invalid_cursor: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  unknown_tenant: 404,
  method_not_allowed: 405,
  conflict: 409,
  precondition_failed: 412,
  too_large: 413,
  unsupported_media_type: 415,
  refused: 422,
  rate_limited: 429,
  overloaded: 503,
  unavailable: 503,
  internal: 500,
} as const;
export type ProblemCode = keyof typeof PROBLEM_CODES;

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  412: 'Precondition Failed',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Content',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

const fieldError = z.object({
  field: z.string().describe('Where in the request, like `body.events.3.value`.'),
  detail: z.string(),
});
export type FieldError = z.infer<typeof fieldError>;

export const problemSchema = z
  .object({
    type: z.string().describe('`urn:meterhouse:problem:` and the code.'),
    title: z.string(),
    status: z.int(),
    detail: z.string().describe('Safe to show to a person.'),
    code: z.string().describe('Stable; what a program looks at.'),
    correlationId: z.string().describe('Stands in our logs; quote it when you ask.'),
    errors: z.array(fieldError).max(100).optional().describe('Each field that is wrong, up to 100.'),
    retryAfterSeconds: z.int().optional(),
  })
  .meta({ id: 'Problem' });
export type Problem = z.infer<typeof problemSchema>;

interface ProblemExtras {
  readonly errors?: readonly FieldError[];
  readonly retryAfterSeconds?: number;
  readonly cause?: unknown;
}

/** Thrown by handlers; everything else that they throw is `internal` and says nothing of itself. */
export class ApiProblem extends Error {
  readonly code: ProblemCode;
  readonly errors: readonly FieldError[];
  readonly retryAfterSeconds: number | null;

  constructor(code: ProblemCode, detail: string, extras: ProblemExtras = {}) {
    super(detail, { cause: extras.cause });
    this.name = 'ApiProblem';
    this.code = code;
    this.errors = extras.errors ?? [];
    this.retryAfterSeconds = extras.retryAfterSeconds ?? null;
  }

  get status(): number {
    return PROBLEM_CODES[this.code];
  }

  body(correlationId: string): Problem {
    return {
      type: `urn:meterhouse:problem:${this.code}`,
      title: TITLES[this.status] ?? 'Error',
      status: this.status,
      detail: this.message,
      code: this.code,
      correlationId,
      ...(this.errors.length > 0 ? { errors: this.errors.slice(0, 100) } : {}),
      ...(this.retryAfterSeconds === null ? {} : { retryAfterSeconds: this.retryAfterSeconds }),
    };
  }
}
