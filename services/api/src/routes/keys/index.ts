/** Keys: made, listed, given a new secret, ended. */
import type { PoolClient } from '@meterhouse/postgres';
import {
  auditKey,
  createApiKey,
  KEY_ID_BYTES,
  listApiKeys,
  makeKey,
  makeSecret,
  revokeApiKey,
  scopeProblem,
  rotateApiKey,
  SECRET_BYTES,
  type ApiKey,
  type ApiRole,
} from '@meterhouse/postgres/access';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Caller } from '../../access/caller.ts';
import type { Access } from '../../access/roles.ts';
import {
  authorOf,
  changeIn,
  narrowedTo,
  narrowQuery,
  originOf,
  reachable,
  readIn,
  sightOf,
} from '../../access/sight.ts';
import { pageQuery, readCursor, writeCursor } from '../../http/cursor.ts';
import { ApiProblem } from '../../http/problem.ts';
import { addRoute } from '../../http/route.ts';
import type { Stores } from '../../stores.ts';
import { keyAnswer, keyParams, keysAnswer, newKeyBody, rotationBody, secretAnswer } from './schemas.ts';

export interface KeyParts {
  readonly stores: Stores;
  /** From a cryptographic source. */
  readonly randomBytes: (length: number) => Buffer;
  /** Epoch ms. */
  readonly now: () => number;
}

const TAG = 'access';
const ACCESS: Access = { kind: 'scope', roles: ['tenant_admin', 'platform_admin'] };
const position = z.object({ after: z.string().max(16) });

export function keyRoutes(app: FastifyInstance, parts: KeyParts): void {
  createRoute(app, parts);
  listRoute(app, parts);
  rotateRoute(app, parts);
  revokeRoute(app, parts);
}

function createRoute(app: FastifyInstance, { stores, randomBytes, now }: KeyParts): void {
  addRoute(app, {
    method: 'POST',
    url: '/v1/keys',
    operationId: 'createKey',
    tag: TAG,
    summary: 'Make a key; it is told once',
    description: 'A `tenant_admin` makes keys for its tenant and those below it, with the roles of a tenant.',
    access: ACCESS,
    problems: ['unknown_tenant'],
    body: newKeyBody,
    answer: { status: 201, schema: secretAnswer },
    handle: async ({ body }, caller) => {
      const tenantId = await sightOf(caller, body.tenantId);
      refuseMisfit(body.role, tenantId);
      const expiresAt = body.expiresAt === null ? null : Date.parse(body.expiresAt);
      if (expiresAt !== null && expiresAt <= now()) throw wrong('body.expiresAt', 'lies in the past');
      const made = makeKey({ keyId: randomBytes(KEY_ID_BYTES), secret: randomBytes(SECRET_BYTES) });
      const { keyId, secretHash, text } = made;
      const { role, name } = body;
      return changeIn(stores, caller, tenantId, async (db) => {
        const created = await createApiKey(db, {
          ...{ keyId, secretHash, tenantId, role, name, expiresAt },
          createdBy: authorOf(caller),
        });
        await auditKey(db, originOf(caller, null), 'key.create', created, { role, expiresAt });
        return { apiKey: toAnswer(created), key: text };
      });
    },
  });
}

/** What the table demands too; said here with the field. A tenant's caller has a tenant, so it makes no other. */
function refuseMisfit(role: ApiRole, tenantId: string | null): void {
  const problem = scopeProblem(role, tenantId);
  if (problem === 'needs_tenant') throw wrong('body.tenantId', `${role} needs a tenant`);
  if (problem === 'platform_only') throw wrong('body.role', `${role} is for the whole platform`);
}

function wrong(field: string, detail: string): ApiProblem {
  return new ApiProblem('invalid_request', `${field}: ${detail}`, { errors: [{ field, detail }] });
}

function listRoute(app: FastifyInstance, { stores }: KeyParts): void {
  addRoute(app, {
    method: 'GET',
    url: '/v1/keys',
    operationId: 'listKeys',
    tag: TAG,
    summary: 'Keys without their secrets, in the order of ids',
    access: ACCESS,
    problems: ['invalid_cursor', 'unknown_tenant'],
    query: z.strictObject({
      ...narrowQuery,
      after: keyParams.shape.id.optional().describe('Those after this one; `cursor` stands above it.'),
      revoked: z.enum(['true', 'false']).default('false').describe('Also revoked ones.'),
      ...pageQuery,
    }),
    answer: { status: 200, schema: keysAnswer },
    handle: async ({ query }, caller) => {
      const afterKeyId = readCursor(query.cursor, position)?.after ?? query.after ?? '';
      const { sight, tenantId } = await narrowedTo(caller, query);
      const page = await readIn(stores, caller, sight, (db) =>
        listApiKeys(db, {
          tenantId,
          revoked: query.revoked === 'true',
          ...{ afterKeyId, limit: query.limit },
        }),
      );
      const last = page.length < query.limit ? undefined : page.at(-1);
      const seen = await reachable(caller, page, ({ tenantId }) => [tenantId]);
      return {
        keys: seen.map(toAnswer),
        nextCursor: last === undefined ? null : writeCursor({ after: last.keyId }),
      };
    },
  });
}

function rotateRoute(app: FastifyInstance, { stores, randomBytes }: KeyParts): void {
  addRoute(app, {
    method: 'POST',
    url: '/v1/keys/:id/rotate',
    operationId: 'rotateKey',
    tag: TAG,
    summary: 'Give a key a new secret; it is told once',
    description: 'The secret before the present one ends at once: a key has at most two.',
    access: ACCESS,
    problems: ['not_found'],
    params: keyParams,
    body: rotationBody,
    answer: { status: 200, schema: secretAnswer },
    handle: async ({ params, body: { overlapMs } }, caller) => {
      const { secretHash, text } = makeSecret(params.id, randomBytes(SECRET_BYTES));
      const rotation = { keyId: params.id, secretHash, overlapMs, by: authorOf(caller) };
      const key = await changed(stores, caller, 'key.rotate', { overlapMs }, (db) =>
        rotateApiKey(db, rotation),
      );
      return { apiKey: toAnswer(key), key: text };
    },
  });
}

function revokeRoute(app: FastifyInstance, { stores }: KeyParts): void {
  addRoute(app, {
    method: 'DELETE',
    url: '/v1/keys/:id',
    operationId: 'revokeKey',
    tag: TAG,
    summary: 'End a key for good, with both its secrets',
    description: 'It may still open for two seconds: so long a process remembers what it has checked.',
    access: ACCESS,
    problems: ['not_found'],
    params: keyParams,
    answer: { status: 200, schema: keyAnswer },
    handle: async ({ params }, caller) => {
      const key = await changed(stores, caller, 'key.revoke', {}, (db) =>
        revokeApiKey(db, params.id, authorOf(caller)),
      );
      return toAnswer(key);
    },
  });
}

/** A key elsewhere is answered like one that does not exist; what was done to it is undone. */
async function changed(
  stores: Stores,
  caller: Caller,
  action: 'key.rotate' | 'key.revoke',
  details: Readonly<Record<string, unknown>>,
  change: (db: PoolClient) => Promise<ApiKey | null>,
): Promise<ApiKey> {
  return changeIn(stores, caller, caller.principal.tenantId, async (db) => {
    const key = await change(db);
    const [seen] = await reachable(caller, key === null ? [] : [key], ({ tenantId }) => [tenantId]);
    if (seen === undefined)
      throw new ApiProblem('not_found', 'There is no such key in your scope that is not revoked.');
    await auditKey(db, originOf(caller, null), action, seen, details);
    return seen;
  });
}

function toAnswer(key: ApiKey): z.input<typeof keyAnswer> {
  return {
    ...key,
    createdAt: new Date(key.createdAt).toISOString(),
    expiresAt: instantOf(key.expiresAt),
    previousValidUntil: instantOf(key.previousValidUntil),
    rotatedAt: instantOf(key.rotatedAt),
    revokedAt: instantOf(key.revokedAt),
    lastUsedAt: instantOf(key.lastUsedAt),
  };
}

function instantOf(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString();
}
