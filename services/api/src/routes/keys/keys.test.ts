/**
 * - a key is told once, opens, and is never shown again
 * - a tenant's admin makes keys for its subtree with a tenant's roles, and reaches no other key
 * - a rotated key opens with both secrets; a revoked one is gone, and stays so
 * - each of these stands in the audit log, without the secret
 */
import { judgeKey, parseKeyText } from '@meterhouse/postgres/access';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { managementBed, type Bearer, type ManagementBed } from '../management.testing.ts';
import { keyAnswer, keysAnswer, secretAnswer } from './schemas.ts';

let bed: ManagementBed;
beforeAll(async () => {
  bed = await managementBed();
});
afterAll(() => bed.close());

async function make(bearer: Bearer, body: object) {
  return bed.done(secretAnswer, bearer, 'POST', '/v1/keys', { name: 'test', ...body });
}
async function opens(text: string): Promise<string> {
  const asked = parseKeyText(text);
  if (asked === null) return 'no key';
  const stored = await bed.stores.keys.find(asked.keyId);
  return stored === null ? 'unknown' : judgeKey(stored, asked, Date.now());
}
async function listed(bearer: Bearer, query = ''): Promise<(string | null)[]> {
  const { keys } = await bed.done(keysAnswer, bearer, 'GET', `/v1/keys${query}`);
  return keys.map(({ tenantId }) => tenantId).sort();
}

it('a key is told once, opens, and stands in the audit log without its secret', async () => {
  const { apiKey, key } = await make('acme', { role: 'ingest', tenantId: 'acme-dev' });
  expect(apiKey).toMatchObject({ tenantId: 'acme-dev', role: 'ingest', createdBy: 'api_key:t' });
  expect(await opens(key)).toBe('valid');
  const secret = key.slice(20);
  const response = await bed.send('acme', 'GET', '/v1/keys');
  expect(await response.text()).not.toContain(secret);
  const [newest] = await bed.audit();
  expect(newest).toMatchObject({
    action: 'key.create',
    actorId: 't',
    tenantId: 'acme-dev',
    target: apiKey.keyId,
  });
  expect(
    JSON.stringify(newest, (_name, value: unknown) => (typeof value === 'bigint' ? '' : value)),
  ).not.toContain(secret);
});

it('a tenant’s admin makes keys for its subtree with a tenant’s roles, and nothing else', async () => {
  const attempt = (body: object) => bed.refused('acme', 'POST', '/v1/keys', { name: 'x', ...body });
  expect(await attempt({ role: 'ingest', tenantId: 'lumen' })).toMatchObject({ code: 'unknown_tenant' });
  for (const role of ['operator', 'platform_admin'])
    expect(await attempt({ role })).toEqual({ status: 400, code: 'invalid_request', fields: ['body.role'] });
  expect(await bed.refused('operator', 'POST', '/v1/keys', { name: 'x', role: 'operator' })).toMatchObject({
    status: 403,
  });
  // Null is not the platform to whoever has a tenant.
  expect((await make('acme', { role: 'finance', tenantId: null })).apiKey.tenantId).toBe('acme');
  expect((await make('admin', { role: 'finance' })).apiKey.tenantId).toBeNull();
});

it('keys elsewhere are neither listed nor reached', async () => {
  const { apiKey } = await make('lumen', { role: 'ingest' });
  expect(await listed('acme')).not.toContain('lumen');
  expect(await listed('lumen')).toEqual(['lumen']);
  expect(await listed('admin')).toContain(null);
  expect(await listed('admin', '?tenantId=lumen')).toEqual(['lumen']);
  expect(await bed.refused('acme', 'GET', '/v1/keys?tenantId=lumen')).toMatchObject({
    code: 'unknown_tenant',
  });
  const path = `/v1/keys/${apiKey.keyId}`;
  expect(await bed.refused('acme', 'POST', `${path}/rotate`, { overlapMs: 0 })).toMatchObject({
    status: 404,
  });
  expect(await bed.refused('acme', 'DELETE', path)).toMatchObject({ status: 404 });
  expect((await bed.audit())[0]).toMatchObject({ action: 'key.create' });
});

it('a rotated key opens with both secrets, and a revoked one with none, for good', async () => {
  const made = await make('acme', { role: 'tenant_reader' });
  const path = `/v1/keys/${made.apiKey.keyId}`;
  const next = await bed.done(secretAnswer, 'acme', 'POST', `${path}/rotate`, { overlapMs: 60_000 });
  expect([await opens(made.key), await opens(next.key)]).toEqual(['valid', 'valid']);
  const revoked = await bed.done(keyAnswer, 'acme', 'DELETE', path);
  expect(revoked.revokedBy).toBe('api_key:t');
  expect([await opens(made.key), await opens(next.key)]).toEqual(['revoked', 'revoked']);
  expect(await bed.refused('acme', 'DELETE', path)).toMatchObject({ status: 404 });
  expect((await bed.audit()).slice(0, 3).map(({ action }) => action)).toEqual([
    'key.revoke',
    'key.rotate',
    'key.create',
  ]);
});
