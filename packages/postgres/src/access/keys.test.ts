/**
 * Guarantees:
 *  - a key's text carries 256 random bits and its id, is read back whole, and anything else is refused
 *  - a secret opens until it is rotated away and its overlap is over, and never when it is revoked or
 *    expired; which of these it was is told to nobody without the secret
 *  - Postgres keeps no secret, only its SHA-256
 *  - a role that needs a tenant cannot be without, and one for the platform cannot have one: in the table
 *  - a rotation keeps the secret so far for the overlap, and no third one; revoked is for good
 *  - use is written down once a minute at most
 *  - without a scope, meterhouse_api finds the one key that it names, and cannot look through them
 */
import { createHash, randomBytes } from 'node:crypto';
import { afterAll, describe, expect, test } from 'vitest';
import {
  API_ROLES,
  createApiKey,
  findApiKey,
  judgeKey,
  listApiKeys,
  makeKey,
  makeSecret,
  parseKeyText,
  revokeApiKey,
  rotateApiKey,
  scopeProblem,
  touchApiKey,
  withTenantScope,
  type ApiRole,
  type KeyStanding,
  type KeyText,
} from './index.ts';
import { accessBed, failureOf, FORBIDDEN } from './testing.ts';

const fixed = { keyId: Buffer.alloc(8, 0xab), secret: Buffer.alloc(32, 0xff) };

describe('the text of a key', () => {
  test('carries id and secret, and is read back', () => {
    const key = makeKey(fixed);
    expect(key.text).toBe(`mh_abababababababab_${'_'.repeat(42)}8`);
    expect(key.keyId).toBe('abababababababab');
    expect(key.secretHash).toEqual(
      createHash('sha256')
        .update(`${'_'.repeat(42)}8`)
        .digest(),
    );
    expect(parseKeyText(key.text)).toEqual({ keyId: key.keyId, secretHash: key.secretHash });
  });

  test('every random bit is in it', () => {
    for (let bit = 0; bit < 256; bit++) {
      const secret = Buffer.alloc(32);
      secret.writeUInt8(1 << (bit % 8), bit >> 3);
      expect(makeKey({ ...fixed, secret }).text).not.toBe(
        makeKey({ ...fixed, secret: Buffer.alloc(32) }).text,
      );
    }
    expect(() => makeKey({ ...fixed, keyId: Buffer.alloc(7) })).toThrow(RangeError);
    expect(() => makeKey({ ...fixed, secret: Buffer.alloc(16) })).toThrow(RangeError);
  });

  test('anything else is refused', () => {
    const { text } = makeKey(fixed);
    for (const wrong of [
      '',
      text.slice(0, -1),
      `${text}x`,
      `${text}\n`,
      ` ${text}`,
      text.toUpperCase(),
      text.replace('mh_', 'mk_'),
      text.replace('ab', 'AB'),
      text.replace('8', '+'),
      'mh_'.repeat(100_000),
    ])
      expect(parseKeyText(wrong)).toBeNull();
  });
});

const NOW = Date.UTC(2026, 5, 1);
const asked = (secret: Buffer): KeyText => {
  const parsed = parseKeyText(makeSecret('0'.repeat(16), secret).text);
  if (parsed === null) throw new Error('it cannot be read back');
  return parsed;
};

describe('the verdict', () => {
  const [current, previous, other] = [1, 2, 3].map((byte) => asked(Buffer.alloc(32, byte)));
  const plain = {
    secretHash: current?.secretHash,
    previousHash: null,
    previousValidUntil: null,
    expiresAt: null,
    revokedAt: null,
  } as KeyStanding;
  const rotated = { ...plain, previousHash: previous?.secretHash ?? null, previousValidUntil: NOW };
  test.each([
    ['its secret', plain, current, NOW, 'valid'],
    ['another', plain, other, NOW, 'wrong_secret'],
    ['the new one', rotated, current, NOW - 1, 'valid'],
    ['the old one within the overlap', rotated, previous, NOW - 1, 'valid'],
    ['the old one when the overlap is over', rotated, previous, NOW, 'wrong_secret'],
    ['the new one after it', rotated, current, NOW, 'valid'],
    ['before it expires', { ...plain, expiresAt: NOW }, current, NOW - 1, 'valid'],
    ['when it expires', { ...plain, expiresAt: NOW }, current, NOW, 'expired'],
    ['expired, with another', { ...plain, expiresAt: NOW }, other, NOW, 'wrong_secret'],
    ['revoked', { ...plain, revokedAt: NOW }, current, NOW - 1, 'revoked'],
    ['revoked, the old one', { ...rotated, revokedAt: NOW }, previous, NOW - 1, 'revoked'],
    ['revoked, with another', { ...plain, revokedAt: NOW }, other, NOW, 'wrong_secret'],
  ] as const)('%s', (_what, stored, given, now, verdict) => {
    if (given === undefined) throw new Error('a secret is missing');
    expect(judgeKey(stored, given, now)).toBe(verdict);
  });
});

const bed = await accessBed(afterAll);
const operator = bed.poolAs('meterhouse_operator');
const fresh = () => makeKey({ keyId: randomBytes(8), secret: randomBytes(32) });
const described = (role: ApiRole, tenantId: string | null) => ({
  ...{ role, tenantId, name: 'test', createdBy: 'ann', expiresAt: null },
});

async function created(tenantId = 'a') {
  const made = fresh();
  await createApiKey(operator, { ...described('tenant_reader', tenantId), ...made });
  return made;
}

test('what is stored opens for its secret, and the secret is nowhere', async () => {
  const key = await created();
  const found = await findApiKey(bed.api, key.keyId);
  const text = parseKeyText(key.text);
  if (found === null || text === null) throw new Error('the key was not found');
  expect(judgeKey(found, text, Date.now())).toBe('valid');
  expect(found).toMatchObject({ tenantId: 'a', role: 'tenant_reader', createdBy: 'ann', lastUsedAt: null });
  const everything = await bed.owner.query<{ row: string }>(
    `SELECT api_keys::text AS row FROM meterhouse.api_keys`,
  );
  const secret = key.text.slice(20);
  for (const { row } of everything.rows) {
    expect(row).not.toContain(secret);
    expect(row).not.toContain(Buffer.from(secret).toString('hex'));
  }
  expect(await findApiKey(bed.api, fresh().keyId)).toBeNull();
});

test('a role fits its scope, also by hand', async () => {
  for (const role of API_ROLES)
    for (const tenantId of ['a', null]) {
      const allowed = scopeProblem(role, tenantId) === null;
      const failure = await failureOf(() =>
        createApiKey(operator, { ...described(role, tenantId), ...fresh() }),
      );
      expect([role, tenantId, failure]).toEqual([role, tenantId, allowed ? undefined : '23514']);
    }
  const unknown = `INSERT INTO meterhouse.api_keys (key_id, role, name, secret_hash, created_by)
                   VALUES ('0123456789abcdef', 'root', 'x', sha256('x'), 'x')`;
  expect(await failureOf(() => operator.query(unknown))).toBe('23514');
});

test('rotation, revocation', async () => {
  const key = await created();
  const opens = async (text: string, laterMs = 0) => {
    const [found, parsed] = [await findApiKey(bed.api, key.keyId), parseKeyText(text)];
    return found === null || parsed === null ? null : judgeKey(found, parsed, Date.now() + laterMs);
  };
  const rotate = async (overlapMs: number) => {
    const next = makeSecret(key.keyId, randomBytes(32));
    expect(await rotateApiKey(operator, { ...next, overlapMs, by: 'ann' })).toMatchObject({
      rotatedBy: 'ann',
    });
    return next.text;
  };
  const second = await rotate(3_600_000);
  expect([await opens(key.text), await opens(second)]).toEqual(['valid', 'valid']);
  expect([await opens(key.text, 3_700_000), await opens(second, 3_700_000)]).toEqual([
    'wrong_secret',
    'valid',
  ]);
  const third = await rotate(3_600_000);
  expect([await opens(key.text), await opens(second), await opens(third)]).toEqual([
    'wrong_secret',
    'valid',
    'valid',
  ]);
  const fourth = await rotate(0);
  expect([await opens(third, 1), await opens(fourth)]).toEqual(['wrong_secret', 'valid']);

  expect(await revokeApiKey(operator, key.keyId, 'eve')).toMatchObject({ revokedBy: 'eve' });
  expect(await opens(fourth)).toBe('revoked');
  expect(await revokeApiKey(operator, key.keyId, 'eve')).toBeNull();
  expect(await rotateApiKey(operator, { ...fresh(), keyId: key.keyId, overlapMs: 0, by: 'eve' })).toBeNull();
  for (const [how, state] of [
    ['revoked_at = NULL, revoked_by = NULL', '55000'],
    [`secret_hash = sha256('mine')`, '55000'],
    [`role = 'tenant_admin'`, FORBIDDEN],
    [`tenant_id = 'b'`, FORBIDDEN],
    ['expires_at = NULL', FORBIDDEN],
  ] as const)
    expect([
      how,
      await failureOf(() =>
        operator.query(`UPDATE meterhouse.api_keys SET ${how} WHERE key_id = $1`, [key.keyId]),
      ),
    ]).toEqual([how, state]);
});

test('use is written down once a minute at most', async () => {
  const { keyId } = await created();
  const used = async () => (await findApiKey(bed.api, keyId))?.lastUsedAt ?? null;
  await touchApiKey(bed.api, keyId);
  const first = await used();
  expect(first).not.toBeNull();
  await touchApiKey(bed.api, keyId);
  expect(await used()).toBe(first);
  await bed.owner.query(
    `UPDATE meterhouse.api_keys SET last_used_at = now() - interval '61 seconds' WHERE key_id = $1`,
    [keyId],
  );
  await touchApiKey(bed.api, keyId);
  expect(await used()).toBeGreaterThanOrEqual(first ?? 0);
});

test('in a scope only its own keys are listed, rotated and revoked, page by page', async () => {
  const [mine, below, other] = [await created('a'), await created('a1'), await created('b')];
  await createApiKey(operator, { ...described('operator', null), ...fresh() });
  const page = { tenantId: null, revoked: false, afterKeyId: '', limit: 10_000 };
  const seen = await withTenantScope(bed.api, 'a', (client) => listApiKeys(client, page));
  expect(new Set(seen.map(({ tenantId }) => tenantId))).toEqual(new Set(['a', 'a1', 'a2']));
  expect(seen.map(({ keyId }) => keyId)).toEqual(expect.arrayContaining([mine.keyId, below.keyId]));
  expect(await listApiKeys(bed.api, page)).toEqual([]);

  const paged: string[] = [];
  for (;;) {
    const next = await withTenantScope(bed.api, 'a', (client) =>
      listApiKeys(client, { ...page, afterKeyId: paged.at(-1) ?? '', limit: 2 }),
    );
    if (next.length === 0) break;
    paged.push(...next.map(({ keyId }) => keyId));
  }
  expect(paged).toEqual(seen.map(({ keyId }) => keyId));

  const theirs = { ...makeSecret(other.keyId, randomBytes(32)), overlapMs: 0, by: 'eve' };
  expect(await withTenantScope(bed.api, 'a', (client) => rotateApiKey(client, theirs))).toBeNull();
  expect(
    await withTenantScope(bed.api, 'a', (client) => revokeApiKey(client, other.keyId, 'eve')),
  ).toBeNull();
  expect(
    await withTenantScope(bed.api, 'a', (client) => revokeApiKey(client, below.keyId, 'ann')),
  ).not.toBeNull();
  for (const tenantId of ['b', 'top', null])
    expect(
      await failureOf(() =>
        withTenantScope(bed.api, 'a', (client) =>
          createApiKey(client, {
            ...described(tenantId === null ? 'finance' : 'ingest', tenantId),
            ...fresh(),
          }),
        ),
      ),
    ).toBe(FORBIDDEN);
});

test('a reader sees no hash', async () => {
  const reader = bed.poolAs('meterhouse_reader');
  expect(
    (await listApiKeys(reader, { tenantId: 'a', revoked: true, afterKeyId: '', limit: 10 })).length,
  ).toBeGreaterThan(0);
  for (const column of ['secret_hash', 'previous_hash'])
    expect(await failureOf(() => reader.query(`SELECT ${column} FROM meterhouse.api_keys`))).toBe(FORBIDDEN);
});
