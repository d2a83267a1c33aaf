/** One kind of document: listed, read, written, taken away. */
import { listDocuments, readDocument, type ListedDocument } from '@meterhouse/postgres';
import type { DocumentKind } from '@meterhouse/quota';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Access, Role } from '../../access/roles.ts';
import { reachable, readIn, sightOf } from '../../access/sight.ts';
import { pageQuery, readCursor, writeCursor } from '../../http/cursor.ts';
import { ApiProblem } from '../../http/problem.ts';
import { addRoute } from '../../http/route.ts';
import {
  BODIES,
  changeAnswer,
  COLLECTIONS,
  documentAnswer,
  documentsAnswer,
  idParams,
  why,
  type DocumentBody,
} from './schemas.ts';
import { changeDocuments, WRITERS, type RegistryParts } from './write.ts';

type Collection = (typeof COLLECTIONS)[number];

const TENANTS: readonly Role[] = ['tenant_reader', 'tenant_admin'];
const PLATFORM: readonly Role[] = ['finance', 'operator', 'platform_admin'];
const position = z.object({ after: z.string().max(128) });

export function documentRoutesOf(app: FastifyInstance, parts: RegistryParts): void {
  for (const collection of COLLECTIONS) {
    readRoutes(app, parts, collection);
    putRoute(app, parts, collection);
    // Usage is counted under tenants and metrics, and units of pools may be held: none of them ever goes.
    if (!['tenant', 'metric', 'pool'].includes(collection.kind)) deleteRoute(app, parts, collection);
  }
}

function readRoutes(app: FastifyInstance, { stores }: RegistryParts, collection: Collection): void {
  const { kind, path, singular, plural, tenantsRead } = collection;
  const access: Access = tenantsRead
    ? { kind: 'scope', roles: [...TENANTS, ...PLATFORM] }
    : { kind: 'platform', roles: PLATFORM };
  addRoute(app, {
    method: 'GET',
    url: `/v1/${path}`,
    operationId: `list${plural}`,
    tag: 'registry',
    summary: `${plural} as they stand, in the order of ids`,
    ...(tenantsRead ? { description: 'A key of a tenant sees what concerns it and what is below it.' } : {}),
    access,
    problems: ['invalid_cursor'],
    query: z.strictObject(pageQuery),
    answer: { status: 200, schema: documentsAnswer },
    handle: async ({ query }, caller) => {
      const afterId = readCursor(query.cursor, position)?.after ?? '';
      const sight = await sightOf(caller, null);
      const rows = await readIn(stores, caller, sight, (db) =>
        listDocuments(db, kind, { afterId, limit: query.limit + 1 }),
      );
      const page = rows.slice(0, query.limit);
      const last = rows.length > page.length ? page.at(-1) : undefined;
      const seen = await reachable(caller, page, ({ id, body }) => tenantsOf(kind, id, body));
      return {
        documents: seen.map(toAnswer),
        nextCursor: last === undefined ? null : writeCursor({ after: last.id }),
      };
    },
  });
  addRoute(app, {
    method: 'GET',
    url: `/v1/${path}/:id`,
    operationId: `get${singular}`,
    tag: 'registry',
    summary: 'One of them',
    access,
    problems: ['not_found'],
    params: idParams,
    answer: { status: 200, schema: documentAnswer },
    handle: async ({ params }, caller) => {
      const sight = await sightOf(caller, null);
      const found = await readIn(stores, caller, sight, (db) => readDocument(db, kind, params.id));
      const [seen] = await reachable(caller, found === null ? [] : [found], ({ id, body }) =>
        tenantsOf(kind, id, body),
      );
      if (seen === undefined) throw new ApiProblem('not_found', 'There is none of this id in your scope.');
      return toAnswer(seen);
    },
  });
}

const WRITE: Access = { kind: 'platform', roles: WRITERS };

function putRoute(app: FastifyInstance, parts: RegistryParts, { kind, path, singular }: Collection): void {
  const naming = kind === 'metric' ? 'name' : 'id';
  addRoute(app, {
    method: 'PUT',
    url: `/v1/${path}/:id`,
    operationId: `put${singular}`,
    tag: 'registry',
    summary: 'Make it so, whether or not it is there',
    access: WRITE,
    problems: ['refused', 'conflict'],
    params: idParams,
    body: z.strictObject({ document: BODIES[kind], ...why }),
    answer: { status: 200, schema: changeAnswer },
    handle: async ({ params, body }, caller) => {
      const { document } = body;
      if (document[naming] !== params.id)
        throw new ApiProblem('invalid_request', 'The document is not the one that the address names.', {
          errors: [{ field: `body.document.${naming}`, detail: 'is not the one of the address' }],
        });
      const wanted = { kind, id: params.id, body: document, path: 'body.document' };
      return changeDocuments(parts, () => [wanted], body, caller);
    },
  });
}

function deleteRoute(app: FastifyInstance, parts: RegistryParts, { kind, path, singular }: Collection): void {
  addRoute(app, {
    method: 'DELETE',
    url: `/v1/${path}/:id`,
    operationId: `delete${singular}`,
    tag: 'registry',
    summary: 'Take it out of the registry; its history stays',
    access: WRITE,
    problems: ['refused', 'conflict', 'not_found'],
    params: idParams,
    query: z.strictObject({ reason: why.reason, expectedVersion: why.expectedVersion }),
    answer: { status: 200, schema: changeAnswer },
    handle: ({ params, query }, caller) =>
      changeDocuments(
        parts,
        (before) => {
          if (before.get(kind, params.id) === undefined)
            throw new ApiProblem('not_found', 'There is none of this id.');
          return [{ kind, id: params.id, body: null, path: 'params.id' }];
        },
        { ...query, privileged: false, dryRun: false },
        caller,
      ),
  });
}

/** Whom a document is about; none: everybody. The same rule stands in the policy of its table. */
function tenantsOf(kind: DocumentKind, id: string, body: unknown): (string | null)[] {
  if (kind === 'tenant') return [id];
  const fields =
    kind === 'delegation'
      ? ['tenant', 'to']
      : kind === 'override' || kind === 'entitlement'
        ? ['tenant']
        : [];
  return fields.map((field) => {
    const value = (body as DocumentBody)[field];
    return typeof value === 'string' ? value : null;
  });
}

function toAnswer({ id, version, changedAt, body }: ListedDocument): z.input<typeof documentAnswer> {
  return {
    id,
    version: version.toString(),
    changedAt: new Date(changedAt).toISOString(),
    document: body as Record<string, unknown>,
  };
}
