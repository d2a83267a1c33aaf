import { ApiProblem } from '../../http/problem.ts';

/** A request that no answer can be given to, because of one field. */
export function wrong(field: string, detail: string): ApiProblem {
  return new ApiProblem('invalid_request', `${field}: ${detail}`, { errors: [{ field, detail }] });
}
