/** Keys and tokens behind one question: whose is this bearer? */
import { ApiProblem } from '../http/problem.ts';
import type { Authenticate } from './authorize.ts';
import type { KeyRing } from './keys.ts';
import { principalOfToken, type TokenIssuer } from './tokens.ts';

const KEY_PREFIX = 'mh_';

/** @param issuer null where only keys are taken */
export function createAuthenticator(
  keys: KeyRing,
  issuer: TokenIssuer | null,
  now: () => number,
): Authenticate {
  return async (bearer) => {
    if (bearer.startsWith(KEY_PREFIX)) return keys.principalOf(bearer);
    if (issuer === null) return null;
    try {
      return await principalOfToken(bearer, issuer, now());
    } catch (error) {
      // Not the caller's fault, and not a reason to let anybody in.
      throw new ApiProblem('unavailable', 'The issuer of tokens does not answer at the moment.', {
        retryAfterSeconds: 1,
        cause: error,
      });
    }
  };
}
