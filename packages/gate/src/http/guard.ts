/** What the adapters for web frameworks share. */
import { InvalidQuestionError, type Question } from '@meterhouse/quota';
import type { Logger } from '@meterhouse/runtime';
import type { Admission, Gate } from '../gate.ts';
import { httpAnswer, type HttpAnswer } from './answer.ts';

/** What a route asks for: fixed, or read from the request. */
export interface RouteGuard<Request> {
  readonly question: (request: Request) => Question | Promise<Question>;
  /** Does with the usage what is to be done once the work is: sends it to the meter. */
  readonly record?: (request: Request, question: Question) => void;
}

export interface Guarded {
  readonly answer: HttpAnswer;
  /**
   * To be called once when the response has ended.
   * @param done false: the work was not done, as for a 5xx or a client that has gone
   */
  readonly ended: (done: boolean) => void;
}

/** By request, for as long as its handler may ask. */
const signals = new WeakMap<object, AbortSignal>();

/**
 * For the handler of a guarded route: aborted once the request's place, of those that may run at once, may
 * be another's. Its work has to stop, so hand the signal to whatever does it; nobody else can stop it.
 * @param request the one that the handler was given
 * @returns null where the request took no place
 */
export function placeLost(request: object): AbortSignal | null {
  return signals.get(request) ?? null;
}

/**
 * @throws what `question` throws; InvalidQuestionError becomes an answer
 */
export async function guard<Request extends object>(
  gate: Gate,
  route: RouteGuard<Request>,
  request: Request,
  logger: Logger,
): Promise<Guarded> {
  let admission: Admission;
  const question = await route.question(request);
  try {
    admission = await gate.admit(question);
  } catch (error) {
    if (!(error instanceof InvalidQuestionError)) throw error;
    return { answer: badRequest(error, question), ended: () => undefined };
  }
  const answer = httpAnswer(admission);
  let open = admission.admitted;
  const { lost } = admission;
  if (lost !== null) {
    signals.set(request, lost);
    lost.addEventListener('abort', () => {
      if (!open) return;
      const { correlationId } = admission.decision;
      logger.warn({ err: lost.reason as unknown, correlationId }, 'a request lost its place while it ran');
    });
  }
  return {
    answer,
    ended: (done) => {
      if (!open) return;
      open = false;
      if (done) {
        route.record?.(request, question);
        admission.settle();
        return;
      }
      admission.release().catch((error: unknown) => {
        logger.error({ err: error }, 'what was admitted could not be given back');
      });
    },
  };
}

function badRequest(error: InvalidQuestionError, question: Question): HttpAnswer {
  const problem = {
    type: 'urn:meterhouse:problem:unknown_unit',
    title: 'Bad Request',
    status: 400,
    detail: error.message,
    code: 'unknown_unit' as const,
    correlationId: question.correlationId ?? '',
  };
  return { status: 400, headers: { 'Content-Type': 'application/problem+json' }, problem };
}
