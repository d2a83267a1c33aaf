import {
  exportJWK,
  generateKeyPair,
  SignJWT,
  createLocalJWKSet,
  type CryptoKey,
  type JWTPayload,
} from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { startTokenIssuer } from './token-issuer.testing.ts';
import { principalOfToken, type TokenIssuer } from './tokens.ts';

const ISSUER = 'https://id.example.com';
const AUDIENCE = 'meterhouse';
const NOW = Date.parse('2026-03-01T12:00:00Z');

describe('a token', () => {
  let issuer: TokenIssuer;
  let key: CryptoKey;
  let foreignKey: CryptoKey;
  beforeAll(async () => {
    const pair = await generateKeyPair('ES256');
    key = pair.privateKey;
    foreignKey = (await generateKeyPair('ES256')).privateKey;
    const jwk = { ...(await exportJWK(pair.publicKey)), kid: 'one', alg: 'ES256' };
    issuer = { issuer: ISSUER, audience: AUDIENCE, keys: createLocalJWKSet({ keys: [jwk] }) };
  });

  interface Changes {
    readonly claims?: JWTPayload;
    readonly issuer?: string;
    readonly audience?: string;
    readonly issuedAt?: number;
    readonly expires?: number | null;
    readonly key?: CryptoKey | Uint8Array;
    readonly alg?: string;
  }
  const token = (changes: Changes = {}): Promise<string> => {
    const issuedAt = changes.issuedAt ?? NOW / 1_000;
    const jwt = new SignJWT({
      meterhouse_role: 'tenant_reader',
      meterhouse_tenant: 'acme',
      ...changes.claims,
    })
      .setProtectedHeader({ alg: changes.alg ?? 'ES256', kid: 'one' })
      .setSubject('ada')
      .setIssuer(changes.issuer ?? ISSUER)
      .setAudience(changes.audience ?? AUDIENCE)
      .setIssuedAt(issuedAt);
    if (changes.expires !== null) jwt.setExpirationTime(changes.expires ?? issuedAt + 600);
    return jwt.sign(changes.key ?? key);
  };
  const principal = async (changes?: Changes): Promise<unknown> =>
    principalOfToken(await token(changes), issuer, NOW);

  it('of the issuer, for us, in force, says who asks', async () => {
    expect(await principal()).toEqual({ type: 'token', id: 'ada', role: 'tenant_reader', tenantId: 'acme' });
  });

  it.each<[string, () => Changes]>([
    ['of another issuer', () => ({ issuer: 'https://evil.example.com' })],
    ['for another audience', () => ({ audience: 'billing' })],
    ['that has ended', () => ({ issuedAt: NOW / 1_000 - 3_600 })],
    ['without an end', () => ({ expires: null })],
    [
      'older than a day, however long it is said to be good',
      () => ({ issuedAt: NOW / 1_000 - 90_000, expires: NOW / 1_000 + 9_000 }),
    ],
    ['signed by another key', () => ({ key: foreignKey })],
    ['signed with a shared secret', () => ({ key: new Uint8Array(32), alg: 'HS256' })],
    ['without a role of ours', () => ({ claims: { meterhouse_role: 'root' } })],
    ['that reads a tenant and names none', () => ({ claims: { meterhouse_tenant: null } })],
    ['that operates the platform and names a tenant', () => ({ claims: { meterhouse_role: 'operator' } })],
  ])('%s proves nothing', async (_name, changes) => {
    expect(await principal(changes())).toBeNull();
  });

  it('without a signature proves nothing', async () => {
    const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const [, payload = ''] = (await token()).split('.');
    expect(await principalOfToken(`${part({ alg: 'none' })}.${payload}.`, issuer, NOW)).toBeNull();
    expect(await principalOfToken('not a token', issuer, NOW)).toBeNull();
  });

  it.each([
    ['does not answer', null],
    ['answers with a failure', 503],
    ['answers with something else', 200],
  ])('is not judged while the issuer %s', async (_name, status) => {
    const away = await startTokenIssuer();
    if (status === null) await away.close();
    else away.answer(status, '<html>');
    await expect(principalOfToken(await away.token(), away.remote(), Date.now())).rejects.toThrow();
    await away.close();
  });
});
