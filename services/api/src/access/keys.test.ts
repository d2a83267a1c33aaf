import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { freshDatabase, sharedStack } from '@meterhouse/dev-stack/testing';
import { migratePostgres } from '@meterhouse/postgres';
import {
  createApiKey,
  makeKey,
  makeSecret,
  revokeApiKey,
  rotateApiKey,
  type ApiRole,
} from '@meterhouse/postgres/access';
import { createLogger, Releases, waitFor } from '@meterhouse/runtime';
import { randomBytes } from 'node:crypto';
import { openStores, type Stores } from '../stores.ts';
import { KeyRing } from './keys.ts';

const releases = new Releases();
const logger = createLogger('keys-test', 'silent');
let stores: Stores;
/** Moved by tests; Postgres' own clock dates the rows. */
let ahead = 0;
let ring: KeyRing;

beforeAll(async () => {
  const url = await freshDatabase(await sharedStack());
  await migratePostgres(url);
  stores = openStores(url, releases);
  await stores.operating((db) =>
    db.query(
      `INSERT INTO meterhouse.tenants (id, name, parent) VALUES ('acme', 'Acme', NULL), ('acme-dev', 'Dev', 'acme')`,
    ),
  );
});
afterAll(() => releases.releaseAll());
beforeEach(() => {
  ahead = 0;
  // No memory, so that each test sees what Postgres says now.
  const bounds = { maxKeys: 100, maxAgeMs: 1, touchEveryMs: 60_000 };
  ring = new KeyRing({ store: stores.keys, logger, now: () => Date.now() + ahead, bounds });
});

async function newKey(
  role: ApiRole,
  tenantId: string | null,
  expiresAt: number | null = null,
): Promise<string> {
  const { keyId, text, secretHash } = makeKey({ keyId: randomBytes(8), secret: randomBytes(32) });
  const key = { keyId, secretHash, tenantId, role, name: 'test', createdBy: 'test', expiresAt };
  await stores.operating((db) => createApiKey(db, key));
  return text;
}
const idOf = (text: string): string => text.split('_')[1] ?? '';

describe('a key', () => {
  it('opens as the role and the tenant that it was made for', async () => {
    const text = await newKey('tenant_reader', 'acme');
    expect(await ring.principalOf(text)).toEqual({
      type: 'api_key',
      id: idOf(text),
      role: 'tenant_reader',
      tenantId: 'acme',
    });
  });

  it('does not open with another secret, another id, or as something else', async () => {
    const text = await newKey('operator', null);
    const other = await newKey('operator', null);
    expect(await ring.principalOf(`mh_${idOf(text)}_${other.slice(20)}`)).toBeNull();
    expect(await ring.principalOf(`mh_${'0'.repeat(16)}_${text.slice(20)}`)).toBeNull();
    expect(await ring.principalOf('mh_')).toBeNull();
    expect(await ring.principalOf(`${text}x`)).toBeNull();
  });

  it('opens until it expires, and not after it was revoked', async () => {
    const text = await newKey('finance', null, Date.now() + 60_000);
    expect(await ring.principalOf(text)).not.toBeNull();
    ahead = 61_000;
    expect(await ring.principalOf(text)).toBeNull();
    ahead = 0;
    await stores.operating((db) => revokeApiKey(db, idOf(text), 'test'));
    await waitFor(
      'the revocation',
      async () => ((await ring.principalOf(text)) === null ? true : undefined),
      {
        deadlineMs: 5_000,
        everyMs: 2,
      },
    );
  });

  it('that is rotated opens with both secrets until the overlap ends', async () => {
    const text = await newKey('ingest', 'acme-dev');
    const next = makeSecret(idOf(text), randomBytes(32));
    const rotation = { keyId: idOf(text), secretHash: next.secretHash, overlapMs: 60_000, by: 'test' };
    await stores.operating((db) => rotateApiKey(db, rotation));
    expect(await ring.principalOf(text)).not.toBeNull();
    expect(await ring.principalOf(next.text)).not.toBeNull();
    ahead = 61_000;
    expect(await ring.principalOf(text)).toBeNull();
    expect(await ring.principalOf(next.text)).not.toBeNull();
  });

  it('has its use noted', async () => {
    const text = await newKey('tenant_admin', 'acme');
    await ring.principalOf(text);
    const used = await waitFor(
      'the note',
      async () => (await stores.keys.find(idOf(text)))?.lastUsedAt ?? undefined,
      { deadlineMs: 10_000 },
    );
    expect(Math.abs(used - Date.now())).toBeLessThan(120_000);
  });
});
