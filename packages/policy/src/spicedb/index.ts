/** SpiceDB, asked with its own client; answers are at least as fresh as the writes that are known of. */
import { v1 } from '@authzed/authzed-node';
import { z } from 'zod';
import type { PolicyEngine, PolicyQuestion, PolicyVerdict } from '@meterhouse/quota';
import { problemOf } from '../question-bounds.ts';
import { answered, unavailable } from '../verdicts.ts';
import { checkRequest, consistencyOf } from './check-request.ts';
import { SpiceDbClient } from './client.ts';
import { permissionOf } from './names.ts';

export { spiceDbObjectId } from './names.ts';

const ENGINE = 'spicedb';
const { HAS_PERMISSION, NO_PERMISSION, CONDITIONAL_PERMISSION, UNSPECIFIED } =
  v1.CheckPermissionResponse_Permissionship;

const zedToken = z.string().min(1).max(1024);

const options = z.strictObject({
  /** Such as `spicedb.internal:50051`. */
  endpoint: z.string().regex(/^[^\s/]+:\d+$/, 'needs host:port'),
  /** The preshared key. */
  token: z.string().min(1),
  /** `plaintext` sends the key readable: for loopback and meshes that encrypt by themselves. */
  security: z.enum(['tls', 'plaintext']).default('tls'),
  /** PEM of the authority that signed SpiceDB's certificate, where the system does not know it. */
  certificate: z.string().optional(),
  /** Names the schema; a verdict's version is this, `@` and the ZedToken that it was checked at. */
  version: z.string().min(1).max(256),
  deadlineMs: z.int().min(1).max(60_000),
  /** Questions under way at most. */
  maxInFlight: z.int().min(1).max(10_000).default(256),
  /** How fresh an answer must be while no write is known of. */
  withoutToken: z.enum(['fully_consistent', 'minimize_latency']).default('fully_consistent'),
  /** Object type of tenants in the schema. */
  tenantType: z
    .string()
    .regex(/^[a-z][a-z0-9_]{1,62}[a-z0-9]$/, 'needs an object type')
    .default('tenant'),
});

export type SpiceDbOptions = z.input<typeof options> & {
  /** The permission to check, instead of `product__resource_type__action`; null for none. */
  readonly permissionOf?: (question: PolicyQuestion) => string | null;
};

export interface SpiceDbEngine extends PolicyEngine {
  /**
   * @param atLeastAsFresh ZedToken of a write that the answer must know of; without it the one last given
   *   to `sawWrite`
   */
  evaluate(question: PolicyQuestion, atLeastAsFresh?: string): Promise<PolicyVerdict>;
  /** From now on answers know of this write. ZedTokens cannot be compared: the last one given counts. */
  sawWrite(zedToken: string): void;
  /** Ends what is under way as `engine_failed` and closes the connection. */
  close(): void;
}

/**
 * Allows on HAS_PERMISSION. A conditional permission, whose caveat misses something, is a denial that
 * names the permission, as a denied question names no rule. Everything else is `unavailable`: status
 * RESOURCE_EXHAUSTED `overloaded`, DEADLINE_EXCEEDED `deadline`, others `engine_failed`; also names that
 * SpiceDB cannot have.
 * @throws ZodError naming the option
 */
export function createSpiceDbEngine(input: SpiceDbOptions): SpiceDbEngine {
  const { permissionOf: named = permissionOf, ...rest } = input;
  const { version, deadlineMs, maxInFlight, withoutToken, tenantType, ...address } = options.parse(rest);
  const client = new SpiceDbClient({ ...address, certificate: address.certificate ?? null });
  let lastWrite: string | null = null;

  const ask = async (question: PolicyQuestion, freshAs: string | undefined): Promise<PolicyVerdict> => {
    const problem = problemOf(question);
    if (problem !== null) return unavailable(ENGINE, version, problem);
    if (client.inFlight >= maxInFlight) return unavailable(ENGINE, version, 'overloaded');
    const known = freshAs === undefined ? lastWrite : zedToken.parse(freshAs);
    const permission = named(question);
    const request = checkRequest(question, tenantType, permission, consistencyOf(known, withoutToken));
    if (request === null) return unavailable(ENGINE, version, 'engine_failed');
    const checked = await client.check(request, deadlineMs);
    if (checked.kind === 'problem') return unavailable(ENGINE, version, checked.problem);
    return verdictOf(checked.response, version, `${tenantType}#${request.permission}`);
  };

  return {
    name: ENGINE,
    evaluate: async (question, freshAs) => {
      try {
        return await ask(question, freshAs);
      } catch {
        return unavailable(ENGINE, version, 'engine_failed');
      }
    },
    sawWrite: (token) => {
      lastWrite = zedToken.parse(token);
    },
    close: () => client.close(),
  };
}

function verdictOf(response: v1.CheckPermissionResponse, version: string, permission: string): PolicyVerdict {
  const checkedAt = zedToken.safeParse(response.checkedAt?.token);
  // SpiceDB always says what it looked at; an answer that does not is not one of its.
  if (!checkedAt.success) return unavailable(ENGINE, version, 'bad_answer');
  const at = `${version}@${checkedAt.data}`;
  switch (response.permissionship) {
    case HAS_PERMISSION:
      return answered(ENGINE, at, true, [permission]);
    case CONDITIONAL_PERMISSION:
      return answered(ENGINE, at, false, [permission]);
    case NO_PERMISSION:
      return answered(ENGINE, at, false, []);
    case UNSPECIFIED:
    default:
      return unavailable(ENGINE, version, 'bad_answer');
  }
}
