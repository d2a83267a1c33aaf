/** Many documents in one version, and what the registry has been through. */
import { readRegistryAudit } from '@meterhouse/postgres';
import { DOCUMENT_KINDS, type DocumentKind, type WantedDocument } from '@meterhouse/quota';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { pageQuery, readCursor, writeCursor } from '../../http/cursor.ts';
import { ApiProblem, type FieldError } from '../../http/problem.ts';
import { addRoute } from '../../http/route.ts';
import {
  BODIES,
  changeAnswer,
  historyAnswer,
  kindSchema,
  MAX_DOCUMENTS,
  why,
  type DocumentBody,
} from './schemas.ts';
import { changeDocuments, WRITERS, type RegistryParts } from './write.ts';

interface NamedDocument {
  readonly kind: DocumentKind;
  readonly document: DocumentBody;
}

const [first, ...others] = DOCUMENT_KINDS.map((kind) =>
  z.strictObject({ kind: z.literal(kind), document: BODIES[kind] }),
);
if (first === undefined) throw new Error('the registry has no kinds of documents');
const documents: z.ZodType<readonly NamedDocument[]> = z
  .array(z.discriminatedUnion('kind', [first, ...others]))
  .max(MAX_DOCUMENTS)
  .default([]);

const applyBody = z
  .strictObject({
    documents: documents.describe('Shall be so. What is not named stays as it is.'),
    remove: z
      .array(z.strictObject({ kind: kindSchema, id: z.string().min(1).max(128) }))
      .max(MAX_DOCUMENTS)
      .default([]),
    ...why,
  })
  .meta({ id: 'RegistryApplication' });

const BODY_BYTES = 4 * 1024 * 1024;

export function applyRoute(app: FastifyInstance, parts: RegistryParts): void {
  addRoute(app, {
    method: 'POST',
    url: '/v1/registry/apply',
    operationId: 'applyRegistry',
    tag: 'registry',
    summary: 'Change many documents in one version, all or none',
    description: 'Each is checked against what the registry will be, so they may refer to each other.',
    access: { kind: 'platform', roles: WRITERS },
    problems: ['refused', 'conflict', 'too_large'],
    bodyLimit: BODY_BYTES,
    body: applyBody,
    answer: { status: 200, schema: changeAnswer },
    handle: ({ body }, caller) => {
      const wanted = wantedOf(body);
      refuseRepeated(wanted);
      return changeDocuments(parts, () => wanted, body, caller);
    },
  });
}

function wantedOf({ documents: wanted, remove }: z.output<typeof applyBody>): WantedDocument[] {
  return [
    ...wanted.map(({ kind, document }, index) => ({
      ...{ kind, body: document, path: `body.documents.${index}.document` },
      id: String(kind === 'metric' ? document['name'] : document['id']),
    })),
    ...remove.map(({ kind, id }, index) => ({ kind, id, body: null, path: `body.remove.${index}` })),
  ];
}

/** Which of two would hold is not to be guessed. */
function refuseRepeated(wanted: readonly WantedDocument[]): void {
  const seen = new Set<string>();
  const errors: FieldError[] = [];
  for (const { kind, id, path } of wanted) {
    const name = `${kind} ${id}`;
    if (seen.has(name)) errors.push({ field: path, detail: `${name} is named before` });
    seen.add(name);
  }
  if (errors.length > 0)
    throw new ApiProblem('invalid_request', 'A document is named more than once.', { errors });
}

const position = z.object({
  version: z.string().regex(/^[0-9]{1,18}$/),
  kind: z.string().max(64),
  id: z.string().max(128),
});

export function historyRoute(app: FastifyInstance, { stores }: RegistryParts): void {
  addRoute(app, {
    method: 'GET',
    url: '/v1/registry/history',
    operationId: 'getRegistryHistory',
    tag: 'registry',
    summary: 'Every change, by whom and why, the newest first',
    access: { kind: 'platform', roles: ['finance', ...WRITERS] },
    problems: ['invalid_cursor'],
    query: z.strictObject({
      kind: kindSchema.optional(),
      id: z.string().min(1).max(128).optional(),
      privileged: z.enum(['true', 'false']).default('false').describe('Only what was done by privilege.'),
      ...pageQuery,
    }),
    answer: { status: 200, schema: historyAnswer },
    handle: async ({ query }) => {
      const from = readCursor(query.cursor, position);
      const rows = await stores.reading((db) =>
        readRegistryAudit(db, {
          kind: query.kind ?? null,
          id: query.id ?? null,
          privileged: query.privileged === 'true',
          limit: query.limit + 1,
          after: from === null ? null : { ...from, version: BigInt(from.version) },
        }),
      );
      const page = rows.slice(0, query.limit).map(({ version, at, why: reason, ...rest }) => ({
        ...rest,
        version: version.toString(),
        at: new Date(at).toISOString(),
        reason,
      }));
      const last = rows.length > page.length ? page.at(-1) : undefined;
      const next = last === undefined ? null : { version: last.version, kind: last.kind, id: last.id };
      return { changes: page, nextCursor: next === null ? null : writeCursor(next) };
    },
  });
}
