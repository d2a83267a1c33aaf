/** The registry over HTTP. */
import { ApiError, itemsOf, type Answered, type components, type MeterhouseClient } from '@meterhouse/client';
import type { StoredDocument } from '@meterhouse/postgres';
import { RegistryState, type DocumentKind, type WantedDocument } from '@meterhouse/quota';
import { CommandError } from '../../exit.ts';
import { ProblemsError } from '../../problems.ts';
import type { RegistryChanged, RegistryDesk } from '../system.ts';
import { firstOf, ms, noSuchTenant, orInstead, pageSize, refuseAuthor, said } from './refused.ts';

const COLLECTIONS = {
  tenant: '/v1/tenants',
  metric: '/v1/metrics',
  product: '/v1/products',
  plan: '/v1/plans',
  override: '/v1/overrides',
  delegation: '/v1/delegations',
  entitlement: '/v1/entitlements',
  pool: '/v1/pools',
  access_rule: '/v1/access-rules',
} as const satisfies Record<DocumentKind, `/v1/${string}`>;

/** How often somebody else may come between before we give up. */
const ATTEMPTS = 5;

export function registryOverApi(client: MeterhouseClient): RegistryDesk {
  return {
    read: () => readRegistry(client),
    change: (what, wanted, options) => {
      refuseAuthor(options.by);
      return changed(client, what, wanted, options);
    },
    override: async ({ tenant, raises, ...document }, { by, why, dryRun, privileged }) => {
      refuseAuthor(by);
      const { id, metric, period, value, start, expiry } = document;
      // The API raises by privilege only what says both, so that neither is done by accident.
      if (raises?.by === 'privileged' && !privileged)
        throw new CommandError('limits override cannot be applied: --raise needs --privileged');
      const body = {
        ...{ id, metric, period, value, start, expiry, dryRun, reason: why },
        raise: raises?.by === 'privileged',
        ...(raises?.by === 'delegation' ? { delegation: raises.delegation } : {}),
      };
      const asked = client.POST('/api/admin/tenants/{id}/limits', {
        params: { path: { id: tenant } },
        body,
      });
      const { data } = await orInstead('unknown_tenant', asked, () => noSuchTenant(tenant));
      return toChanged(data);
    },
    history: async ({ kind, id, privileged, limit }) => {
      const query = said({ id, kind: kind as DocumentKind | null });
      const changes = itemsOf(
        async (cursor) =>
          (
            await client.GET('/v1/registry/history', {
              params: {
                query: { ...query, ...said({ cursor }), privileged: `${privileged}`, limit: pageSize(limit) },
              },
            })
          ).data,
        (page) => page.changes,
      );
      const taken = await firstOf(changes, limit);
      return taken.map(({ version, at, reason, kind: of, ...rest }) => ({
        ...rest,
        kind: of as DocumentKind,
        version: BigInt(version),
        at: ms(at),
        why: reason,
      }));
    },
  };
}

/** The lists are read one after another; they are of one version when nothing was changed meanwhile. */
async function readRegistry(
  client: MeterhouseClient,
): Promise<{ version: bigint; documents: StoredDocument[] }> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const version = await currentVersion(client);
    const documents: StoredDocument[] = [];
    for (const kind of Object.keys(COLLECTIONS) as DocumentKind[])
      for await (const document of documentsOf(client, kind)) documents.push(document);
    if ((await currentVersion(client)) === version) return { version, documents };
  }
  throw new CommandError('the registry is being changed all the time', 'try again');
}

async function currentVersion(client: MeterhouseClient): Promise<bigint> {
  const { data } = await client.GET('/v1/registry/history', { params: { query: { limit: 1 } } });
  return BigInt(data.changes[0]?.version ?? 0);
}

export async function* documentsOf(
  client: MeterhouseClient,
  kind: DocumentKind,
): AsyncGenerator<StoredDocument> {
  const documents = itemsOf(
    async (cursor) =>
      (await client.GET(COLLECTIONS[kind], { params: { query: { ...said({ cursor }), limit: 1_000 } } }))
        .data,
    (page) => page.documents,
  );
  for await (const { id, version, document } of documents)
    yield { kind, id, version: BigInt(version), body: document };
}

/** Planned from what was read, and written only if that still stands. */
async function changed(
  client: MeterhouseClient,
  what: string,
  wantedFrom: Parameters<RegistryDesk['change']>[1],
  { why, privileged, dryRun }: Parameters<RegistryDesk['change']>[2],
): Promise<RegistryChanged> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const { version, documents } = await readRegistry(client);
    const wanted = wantedFrom(RegistryState.of(documents));
    try {
      const { data } = await client.POST('/v1/registry/apply', {
        body: {
          ...bodyOf(wanted),
          ...{ reason: why, privileged, dryRun, expectedVersion: version.toString() },
        },
      });
      return toChanged(data);
    } catch (error) {
      if (error instanceof ApiError && error.code === 'conflict') continue;
      throw withPaths(error, what, wanted);
    }
  }
  throw new CommandError('the registry is being changed all the time', 'try again');
}

type Application = components['schemas']['RegistryApplicationInput'];

function bodyOf(wanted: readonly WantedDocument[]): Pick<Application, 'documents' | 'remove'> {
  const documents = wanted.flatMap(({ kind, body }) => (body === null ? [] : [{ kind, document: body }]));
  return {
    // Each body was read by the schema of its kind, which a list of all kinds cannot say.
    documents: documents as unknown as NonNullable<Application['documents']>,
    remove: wanted.flatMap(({ kind, id, body }) => (body === null ? [{ kind, id }] : [])),
  };
}

/** The API names documents by their place in the request; a person by that in the file. */
function withPaths(error: unknown, what: string, wanted: readonly WantedDocument[]): unknown {
  if (!(error instanceof ApiError) || error.errors.length === 0) return error;
  const shown = wanted.filter(({ body }) => body !== null);
  const removed = wanted.filter(({ body }) => body === null);
  const problems = error.errors.map(({ field, detail }) => {
    const [, list, index = '', rest = ''] =
      /^body\.(documents|remove)\.(\d+)(?:\.document)?(.*)$/.exec(field) ?? [];
    const path = (list === 'remove' ? removed : shown)[Number(index)]?.path;
    return `${list === undefined || path === undefined ? field : `${path}${rest}`}: ${detail}`;
  });
  return new ProblemsError(`${what} cannot be applied`, problems);
}

function toChanged({ version, dryRun, entries }: Answered<'/v1/registry/apply', 'post'>): RegistryChanged {
  return {
    version: BigInt(version),
    dryRun,
    entries: entries.map(({ kind, id, change, details }) => ({ kind, name: id, change, details })),
  };
}
