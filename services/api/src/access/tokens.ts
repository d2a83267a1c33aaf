/** OIDC tokens: who issued them, for whom, and with which algorithms is pinned, never read off the token. */
import { createRemoteJWKSet, errors, jwtVerify, type JWTVerifyGetKey } from 'jose';
import { z } from 'zod';
import { isConsistent, ROLES, type Principal } from './roles.ts';

export interface TokenIssuer {
  readonly issuer: string;
  readonly audience: string;
  readonly keys: JWTVerifyGetKey;
}

/** Asymmetric only: with a shared secret whoever can verify could also sign. */
const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA'];
const CLOCK_TOLERANCE_S = 30;
/** A token that is good for longer than this cannot be taken back in time. */
const MAX_AGE_S = 24 * 3_600;

/** Keys of the issuer, fetched when first needed and again when a new one appears, at most every 30 s. */
export function remoteIssuer(issuer: string, audience: string, jwksUrl: string): TokenIssuer {
  const keys = createRemoteJWKSet(new URL(jwksUrl), { timeoutDuration: 5_000, cooldownDuration: 30_000 });
  return { issuer, audience, keys };
}

const claims = z.object({
  sub: z.string().min(1).max(256),
  meterhouse_role: z.enum(ROLES),
  meterhouse_tenant: z.string().min(1).max(128).nullable().default(null),
});

/**
 * @returns null for a token that proves nothing here
 * @throws when the issuer's keys cannot be fetched
 */
export async function principalOfToken(
  token: string,
  issuer: TokenIssuer,
  nowMs: number,
): Promise<Principal | null> {
  try {
    const { payload } = await jwtVerify(token, issuer.keys, {
      issuer: issuer.issuer,
      audience: issuer.audience,
      algorithms: ALGORITHMS,
      clockTolerance: CLOCK_TOLERANCE_S,
      maxTokenAge: MAX_AGE_S,
      requiredClaims: ['exp', 'iat', 'sub'],
      currentDate: new Date(nowMs),
    });
    const parsed = claims.safeParse(payload);
    if (!parsed.success) return null;
    const { sub, meterhouse_role: role, meterhouse_tenant: tenantId } = parsed.data;
    return isConsistent({ role, tenantId }) ? { type: 'token', id: sub, role, tenantId } : null;
  } catch (error) {
    if (!(error instanceof errors.JOSEError) || isOfTheIssuer(error)) throw error;
    return null;
  }
}

/** Its keys did not come, or are none; says nothing about the token. */
function isOfTheIssuer(error: errors.JOSEError): boolean {
  return (
    error instanceof errors.JWKSTimeout ||
    error instanceof errors.JWKSInvalid ||
    // What jose throws for an answer that is not 200, or no JSON.
    error.code === errors.JOSEError.code
  );
}
