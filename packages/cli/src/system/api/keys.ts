/** API keys over HTTP. */
import { itemsOf, type Answered, type MeterhouseClient } from '@meterhouse/client';
import type { ApiKey } from '@meterhouse/postgres/access';
import { noSuchKey } from '../stores/keys.ts';
import type { KeyDesk } from '../system.ts';
import { firstOf, ms, msOrNull, noSuchTenant, orInstead, pageSize, refuseAuthor, said } from './refused.ts';

export function keysOverApi(client: MeterhouseClient): KeyDesk {
  return {
    create: async ({ role, tenantId, name, expiresAt, by }) => {
      refuseAuthor(by);
      const expiry = expiresAt === null ? null : new Date(expiresAt).toISOString();
      const asked = client.POST('/v1/keys', { body: { role, tenantId, name, expiresAt: expiry } });
      const { data } = await orInstead('unknown_tenant', asked, () => noSuchTenant(tenantId ?? ''));
      return { key: toKey(data.apiKey), text: data.key };
    },
    list: async ({ tenantId, revoked, after, limit }) => {
      const narrowed = tenantId === null ? {} : ({ tenantId, descendants: 'false' } as const);
      const keys = itemsOf(
        async (cursor) =>
          (
            await client.GET('/v1/keys', {
              params: {
                query: {
                  ...{ ...narrowed, ...said({ after, cursor }) },
                  ...{ revoked: `${revoked}` as const, limit: pageSize(limit) },
                },
              },
            })
          ).data,
        (page) => page.keys,
      );
      return (await firstOf(keys, limit)).map(toKey);
    },
    rotate: async (id, overlapMs, by) => {
      refuseAuthor(by);
      const asked = client.POST('/v1/keys/{id}/rotate', { params: { path: { id } }, body: { overlapMs } });
      const { data } = await orInstead('not_found', asked, () => noSuchKey(id));
      return { key: toKey(data.apiKey), text: data.key };
    },
    revoke: async (id, by) => {
      refuseAuthor(by);
      const asked = client.DELETE('/v1/keys/{id}', { params: { path: { id } } });
      return toKey((await orInstead('not_found', asked, () => noSuchKey(id))).data);
    },
  };
}

function toKey(key: Answered<'/v1/keys/{id}', 'delete'>): ApiKey {
  return {
    ...key,
    createdAt: ms(key.createdAt),
    expiresAt: msOrNull(key.expiresAt),
    previousValidUntil: msOrNull(key.previousValidUntil),
    rotatedAt: msOrNull(key.rotatedAt),
    revokedAt: msOrNull(key.revokedAt),
    lastUsedAt: msOrNull(key.lastUsedAt),
  };
}
