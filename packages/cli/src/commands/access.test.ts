/**
 * Guarantees, on a real Postgres:
 *  - keys create prints the key once, nothing else ever does, and it opens; rotate keeps the secret so far
 *    for the overlap; revoke ends it
 *  - a role that does not fit the tenant, an unknown tenant and a key that is not there are refused, and
 *    wrong usage is told from a failure
 *  - every change that the command makes is in the audit log, with who did it, and commits with it
 *  - audit verify says that the log is whole, or the first broken row and why, and ends with 1 then
 */
import { userInfo } from 'node:os';
import { beforeAll, expect, test } from 'vitest';
import { createPool } from '@meterhouse/postgres';
import { findApiKey, judgeKey, parseKeyText } from '@meterhouse/postgres/access';
import { commandBed } from '../testing.ts';

const bed = await commandBed();

interface KeyJson {
  readonly id: string;
  readonly key: string;
  readonly state: string;
  readonly previousValidUntil: string | null;
}
const keys = async (...args: string[]): Promise<KeyJson> => (await bed.json(['keys', ...args])) as KeyJson;
const entries = async (...args: string[]) =>
  ((await bed.json(['audit', 'list', ...args])) as { entries: { seq: string; action: string }[] }).entries;

beforeAll(async () => {
  const registry = await bed.file(
    'registry.yaml',
    'tenants: [{id: acme, name: Acme}, {id: beta, name: Beta}]\npools: [{id: h100, unit: gpu, size: 4}]\n',
  );
  expect(await bed.run('apply', '-f', registry, '--by', 'ann')).toMatchObject({ exitCode: 0 });
});

async function verdict(text: string): Promise<string | null> {
  const pool = createPool({
    url: bed.env['DATABASE_URL'] ?? '',
    role: 'meterhouse_api',
    applicationName: 'test',
  });
  try {
    const asked = parseKeyText(text);
    const stored = asked === null ? null : await findApiKey(pool, asked.keyId);
    return asked === null || stored === null ? null : judgeKey(stored, asked, Date.now());
  } finally {
    await pool.end();
  }
}

test('from create to revoke', async () => {
  const made = await keys(
    'create',
    '--tenant',
    'acme',
    '--role',
    'ingest',
    '--name',
    'gateway',
    '--expires',
    '90d',
  );
  expect(made).toMatchObject({ role: 'ingest', tenant: 'acme', name: 'gateway', state: 'valid' });
  expect(made.key).toMatch(new RegExp(`^mh_${made.id}_[A-Za-z0-9_-]{43}$`));
  expect(await verdict(made.key)).toBe('valid');

  const rotated = await keys('rotate', made.id, '--overlap', '24h', '--by', 'bob');
  expect(rotated.id).toBe(made.id);
  expect([await verdict(made.key), await verdict(rotated.key)]).toEqual(['valid', 'valid']);
  const ended = await bed.run('keys', 'rotate', made.id, '--overlap', '0');
  expect(ended.stdout).toContain('the secret so far has ended');
  expect([await verdict(made.key), await verdict(rotated.key)]).toEqual(['wrong_secret', 'wrong_secret']);

  const listed = await bed.run('keys', 'list', '--tenant', 'acme');
  expect(listed.stdout).toMatch(new RegExp(`${made.id}\\s+ingest\\s+acme\\s+gateway\\s+valid`));
  expect(await bed.json(['keys', 'revoke', made.id])).toMatchObject({ state: 'revoked' });
  expect(await verdict(ended.stdout.split('\n')[0] ?? '')).toBe('revoked');
  expect(await bed.json(['keys', 'list', '--tenant', 'acme'])).toEqual({ keys: [] });
  expect(await bed.json(['keys', 'list', '--all'])).toMatchObject({
    keys: [{ id: made.id, state: 'revoked' }],
  });

  const all = [
    ...['list --all', 'list --all --json'].map((args) => ['keys', ...args.split(' ')]),
    ['audit', 'list'],
    ['audit', 'list', '--json'],
  ];
  for (const args of all) {
    const { stdout, stderr } = await bed.run(...args);
    for (const secret of [made.key, rotated.key]) expect(stdout + stderr).not.toContain(secret.slice(20));
  }
  expect((await entries('--tenant', 'acme', '--limit', '4')).reverse()).toMatchObject([
    { action: 'key.create', actor: { type: 'person', id: userInfo().username }, target: made.id },
    { action: 'key.rotate', actor: { id: 'bob' }, details: { overlapMs: 86_400_000 } },
    { action: 'key.rotate', details: { overlapMs: 0 } },
    { action: 'key.revoke', outcome: 'done', tenantId: 'acme' },
  ]);
});

test('what is refused', async () => {
  const before = await entries();
  for (const [exitCode, said, args] of [
    [2, 'needs one', ['create', '--role', 'ingest']],
    [2, 'is for the whole platform', ['create', '--role', 'operator', '--tenant', 'acme']],
    [2, '--role', ['create', '--role', 'root']],
    [2, 'lies in the past', ['create', '--role', 'finance', '--expires', '2020-01-01']],
    [2, '--overlap', ['rotate', '0123456789abcdef']],
    [2, '16 hex digits', ['revoke', 'mh_0123456789abcdef_x']],
    [1, 'there is no tenant nobody', ['create', '--role', 'ingest', '--tenant', 'nobody']],
    [1, 'there is no key 0123456789abcdef', ['revoke', '0123456789abcdef']],
    [1, 'there is no key 0123456789abcdef', ['rotate', '0123456789abcdef', '--overlap', '1h']],
  ] as const) {
    const answer = await bed.run('keys', ...args);
    expect([args, answer.exitCode]).toEqual([args, exitCode]);
    expect(answer.stderr).toContain(said);
  }
  expect(await entries()).toEqual(before);
});

test('every change is in the audit log', async () => {
  const last = (await entries('--limit', '1'))[0]?.seq;
  await bed.pool.query(
    `INSERT INTO meterhouse.quarantine (source, partition, "offset", received_at, reason, detail, tenant_id, payload)
     SELECT 's', 0, n, now(), 'unknown_metric', '', 'beta', '' FROM generate_series(1, 3) AS n`,
  );
  await bed.pool.query(
    `INSERT INTO meterhouse.progress (source, partition, next_offset, halted_reason) VALUES ($1, 0, 7, 'the log is gone')`,
    [bed.topic],
  );
  const plan = await bed.file('plan.yaml', 'tenants: [{id: acme, name: Acme Ltd}]\n');
  for (const args of [
    ['apply', '-f', plan, '--by', 'ann'],
    ['apply', '-f', plan, '--by', 'ann'],
    ['limits', 'set', '--tenant', 'beta', '--class', 'internal', '--by', 'bob', '--why', 'ours'],
    ['quarantine', 'replay', '--tenant', 'beta', '--id', '1', '--by', 'cat', '--because', 'mended'],
    ['quarantine', 'discard', '--tenant', 'beta', '--by', 'cat', '--because', 'a test'],
    ['quarantine', 'discard', '--tenant', 'beta', '--by', 'cat', '--because', 'again'],
    ['resume-partition', '--partition', '0', '--from', '0', '--because', 'made anew', '--by', 'dan'],
    [
      'reservations',
      'reserve',
      '--pool',
      'h100',
      '--tenant',
      'acme',
      '--by',
      'eve',
      '--key',
      'k',
      '--units',
      '4',
      '--ttl',
      '1h',
    ],
    ['reservations', 'sweep'],
  ])
    expect([args, await bed.run(...args)]).toMatchObject([args, { exitCode: 0 }]);
  const over = [
    'reserve',
    '--pool',
    'h100',
    '--tenant',
    'beta',
    '--by',
    'eve',
    '--key',
    'k',
    '--units',
    '4',
    '--ttl',
    '1h',
  ];
  expect(await bed.run('reservations', ...over)).toMatchObject({ exitCode: 1 });

  const made = (await entries('--limit', '100'))
    .filter(({ seq }) => BigInt(seq) > BigInt(last ?? 0))
    .reverse();
  expect(made).toMatchObject([
    {
      action: 'registry.change',
      actor: { id: 'ann' },
      tenantId: 'acme',
      details: { first: ['changed tenant acme'] },
    },
    { action: 'registry.change', actor: { id: 'bob' }, tenantId: 'beta' },
    { action: 'quarantine.replay', actor: { id: 'cat' }, tenantId: 'beta', details: { events: 1 } },
    { action: 'quarantine.discard', actor: { id: 'cat' }, tenantId: 'beta', details: { events: 2 } },
    { action: 'partition.resume', actor: { id: 'dan' }, tenantId: null, target: `${bed.topic}/0` },
    {
      action: 'capacity.reserve',
      actor: { id: 'eve' },
      tenantId: 'acme',
      target: 'pool h100',
      outcome: 'done',
    },
    { action: 'capacity.sweep', outcome: 'done' },
    { action: 'capacity.reserve', tenantId: 'beta', outcome: 'denied', details: { answer: 'no_capacity' } },
  ]);
  expect(made).toHaveLength(8);
  expect(await entries('--by', 'dan', '--since', '2026-01-01', '--action', 'partition.resume')).toHaveLength(
    1,
  );
});

test('what cannot be audited is not done', async () => {
  const count = async () => (await bed.pool.query('SELECT FROM meterhouse.api_keys')).rowCount;
  const before = await count();
  await bed.pool.query('ALTER TABLE meterhouse.audit_log ADD CONSTRAINT shut CHECK (false) NOT VALID');
  const answer = await bed.run('keys', 'create', '--role', 'finance');
  await bed.pool.query('ALTER TABLE meterhouse.audit_log DROP CONSTRAINT shut');
  expect(answer.exitCode).toBe(1);
  expect(answer.stdout).toBe('');
  expect(await count()).toBe(before);
});

test('audit verify', async () => {
  const whole = (await bed.json(['audit', 'verify'])) as { whole: boolean; rows: string; head: string };
  expect(whole).toMatchObject({
    whole: true,
    head: expect.stringMatching(/^[0-9]+:[0-9a-f]{64}$/) as string,
  });
  expect((await bed.run('audit', 'verify')).stdout).toContain(`head: ${whole.head}`);
  expect(await bed.json(['audit', 'verify', '--head', whole.head])).toEqual(whole);
  expect(await bed.run('audit', 'verify', '--head', 'x')).toMatchObject({ exitCode: 2 });
  const other = `${whole.rows}:${'0'.repeat(64)}`;
  expect(await bed.json(['audit', 'verify', '--head', other], 1)).toMatchObject({
    whole: false,
    reason: 'head_differs',
  });

  await bed.pool.query('ALTER TABLE meterhouse.audit_log DISABLE TRIGGER USER');
  await bed.pool.query(`UPDATE meterhouse.audit_log SET actor_id = 'nobody' WHERE seq = 3`);
  await bed.pool.query('ALTER TABLE meterhouse.audit_log ENABLE TRIGGER USER');
  expect(await bed.json(['audit', 'verify'], 1)).toEqual({
    ...{ whole: false, checked: '2', seq: '3', reason: 'row_changed' },
    detail: 'row 3 is not what its hash was made of',
  });
  const told = await bed.run('audit', 'verify');
  expect(told).toMatchObject({ exitCode: 1 });
  expect(told.stdout).toContain('the audit log is broken at row 3');
});
