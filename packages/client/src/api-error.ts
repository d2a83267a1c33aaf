/** What the API refused, and what kept it from answering. */

export interface FieldError {
  /** Where in the request, such as `body.value`. */
  readonly field: string;
  readonly detail: string;
}

interface ErrorFacts {
  readonly status: number;
  readonly code: string;
  readonly errors: readonly FieldError[];
  readonly correlationId: string | null;
  readonly retryAfterMs: number | null;
  readonly body: unknown;
}

/** An answer that is no success; as a rule `application/problem+json`. Holds nothing of the key. */
export class ApiError extends Error {
  override name = 'ApiError';
  readonly status: number;
  /** Stable; what a program looks at. `unexpected_answer` where something else than the API answered. */
  readonly code: string;
  /** Each field that is wrong, up to 100. */
  readonly errors: readonly FieldError[];
  /** What to quote when asking. */
  readonly correlationId: string | null;
  /** What `Retry-After` says; null without. */
  readonly retryAfterMs: number | null;
  /** The whole answer, as `POST /v1/events` says in it what became of each event. */
  readonly body: unknown;

  constructor(message: string, facts: ErrorFacts) {
    super(message);
    this.status = facts.status;
    this.code = facts.code;
    this.errors = facts.errors;
    this.correlationId = facts.correlationId;
    this.retryAfterMs = facts.retryAfterMs;
    this.body = facts.body;
  }

  /** The first that is wrong; null where it is about no field. */
  get field(): string | null {
    return this.errors[0]?.field ?? null;
  }
}

/** No answer: nobody knows whether the request was worked on. `cause` says why. */
export class ApiUnreachableError extends Error {
  override name = 'ApiUnreachableError';
}

/** @param now epoch ms, for a `Retry-After` that is a date */
export async function errorOf(response: Response, now: number): Promise<ApiError> {
  const body = await bodyOf(response);
  const problem = isRecord(body) && typeof body['code'] === 'string' ? body : null;
  const said = problem?.['detail'];
  return new ApiError(
    typeof said === 'string' ? said : `HTTP ${response.status} without a problem in it: is this the API?`,
    {
      status: response.status,
      code: problem === null ? 'unexpected_answer' : String(problem['code']),
      errors: fieldErrors(problem?.['errors']),
      correlationId: textOr(problem?.['correlationId'], response.headers.get('x-correlation-id')),
      retryAfterMs: retryAfterMs(response.headers.get('retry-after'), now),
      body,
    },
  );
}

/** Seconds, or a date (RFC 9110); null for neither. */
function retryAfterMs(header: string | null, now: number): number | null {
  if (header === null) return null;
  if (/^[0-9]{1,9}$/.test(header)) return Number(header) * 1_000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? null : Math.max(0, at - now);
}

/** A proxy's page is text; it is kept as that. */
async function bodyOf(response: Response): Promise<unknown> {
  const text = await response.text();
  if (!(response.headers.get('content-type') ?? '').includes('json')) return text;
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) return text;
    throw error;
  }
}

function fieldErrors(value: unknown): FieldError[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((each: unknown) =>
    isRecord(each) && typeof each['field'] === 'string' && typeof each['detail'] === 'string'
      ? [{ field: each['field'], detail: each['detail'] }]
      : [],
  );
}

function textOr(value: unknown, otherwise: string | null): string | null {
  return typeof value === 'string' ? value : otherwise;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
