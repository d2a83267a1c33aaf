/** API keys, in Postgres. */
import { randomBytes } from 'node:crypto';
import { inTransaction, type PoolClient } from '@meterhouse/postgres';
import {
  auditKey,
  createApiKey,
  KEY_ID_BYTES,
  listApiKeys,
  makeKey,
  makeSecret,
  person,
  revokeApiKey,
  rotateApiKey,
  SECRET_BYTES,
  type ApiKey,
} from '@meterhouse/postgres/access';
import { authorOf } from '../../author.ts';
import type { Stores } from '../../connect/stores.ts';
import { CommandError } from '../../exit.ts';
import type { KeyDesk } from '../system.ts';

export function keysInStores(stores: Stores): KeyDesk {
  return {
    create: async ({ role, tenantId, name, expiresAt, by }) => {
      const { keyId, secretHash, text } = makeKey({
        keyId: randomBytes(KEY_ID_BYTES),
        secret: randomBytes(SECRET_BYTES),
      });
      const createdBy = authorOf(by);
      const key = await inTransaction(await stores.postgres('meterhouse_operator'), async (client) => {
        await refuseUnknown(client, tenantId);
        const created = await createApiKey(client, {
          ...{ keyId, secretHash, tenantId, role, name, createdBy, expiresAt },
        });
        await auditKey(client, { actor: person(createdBy) }, 'key.create', created, { role, expiresAt });
        return created;
      });
      return { key, text };
    },
    list: async ({ tenantId, revoked, after, limit }) =>
      listApiKeys(await stores.postgres('meterhouse_reader'), {
        ...{ tenantId, revoked, limit },
        afterKeyId: after ?? '',
      }),
    rotate: async (keyId, overlapMs, by) => {
      const { secretHash, text } = makeSecret(keyId, randomBytes(SECRET_BYTES));
      const key = await changed(stores, keyId, 'key.rotate', authorOf(by), { overlapMs }, (client, author) =>
        rotateApiKey(client, { keyId, secretHash, overlapMs, by: author }),
      );
      return { key, text };
    },
    revoke: (keyId, by) =>
      changed(stores, keyId, 'key.revoke', authorOf(by), {}, (client, author) =>
        revokeApiKey(client, keyId, author),
      ),
  };
}

async function refuseUnknown(client: PoolClient, tenant: string | null): Promise<void> {
  if (tenant === null) return;
  const found = await client.query('SELECT FROM meterhouse.tenants WHERE id = $1', [tenant]);
  if (found.rowCount === 0)
    throw new CommandError(`there is no tenant ${tenant}`, 'register it with "meterhouse apply"');
}

async function changed(
  stores: Stores,
  id: string,
  action: 'key.rotate' | 'key.revoke',
  by: string,
  details: Readonly<Record<string, unknown>>,
  change: (client: PoolClient, by: string) => Promise<ApiKey | null>,
): Promise<ApiKey> {
  return inTransaction(await stores.postgres('meterhouse_operator'), async (client) => {
    const key = await change(client, by);
    if (key === null) throw noSuchKey(id);
    await auditKey(client, { actor: person(by) }, action, key, details);
    return key;
  });
}

export function noSuchKey(id: string): CommandError {
  return new CommandError(`there is no key ${id} that is not revoked`, 'see "meterhouse keys list --all"');
}
