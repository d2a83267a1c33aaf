/**
 * Guarantees, on a real Postgres:
 *  - rows are numbered without gaps, dated and chained by Postgres, also when many append at once; what is
 *    rolled back leaves no gap
 *  - the chain that TypeScript works out is Postgres' own, whatever the text of the fields
 *  - nobody changes, takes away or empties: not by rights, and the owner not by statement
 *  - a row that was changed, taken out, put in, written anew, or a tail that was cut off is found, and named;
 *    a chain that was made anew as a whole is found by a head that was noted before
 *  - who appends cannot say number, time or hash, and meterhouse_api nothing outside of its scope
 */
import { afterAll, beforeEach, expect, test } from 'vitest';
import { inTransaction } from '../transaction.ts';
import { auditHashOf } from './audit-chain.ts';
import {
  appendAudit,
  listAudit,
  readAuditHead,
  verifyAudit,
  withTenantScope,
  type AuditEntry,
} from './index.ts';
import { accessBed, failureOf, FORBIDDEN } from './testing.ts';

const bed = await accessBed(afterAll);
const { owner, api } = bed;
const operator = bed.poolAs('meterhouse_operator');
const reader = bed.poolAs('meterhouse_reader');

const entry = (more: Partial<AuditEntry> = {}): AuditEntry => ({
  actor: { type: 'person', id: 'ann' },
  action: 'test',
  tenantId: 'a',
  outcome: 'done',
  ...more,
});
const append = (more?: Partial<AuditEntry>) =>
  inTransaction(operator, (client) => appendAudit(client, entry(more)));
const verify = (noted: { seq: bigint; hash: string } | null = null) =>
  verifyAudit(reader, { noted, pageRows: 3 });
const everything = {
  tenantId: null,
  action: null,
  actorId: null,
  since: null,
  beforeSeq: null,
  limit: 1_000,
};

/** The owner can, and knows how: what it takes to tamper. */
async function tamper(...statements: readonly string[]): Promise<void> {
  await inTransaction(owner, async (client) => {
    await client.query('ALTER TABLE meterhouse.audit_log DISABLE TRIGGER USER');
    for (const statement of statements) await client.query(statement);
    await client.query('ALTER TABLE meterhouse.audit_log ENABLE TRIGGER USER');
  });
}
const REHASH = (where: string) =>
  `UPDATE meterhouse.audit_log AS l SET hash = meterhouse.audit_hash(l) WHERE ${where}`;

beforeEach(async () => {
  await tamper(
    'DELETE FROM meterhouse.audit_log',
    `UPDATE meterhouse.audit_head SET seq = 0, hash = decode(repeat('00', 32), 'hex')`,
  );
  for (let n = 1; n <= 8; n++) await append({ target: `t${n}` });
});

test('numbered, dated and chained, whatever happens at once', async () => {
  const outcomes = await Promise.all(
    Array.from({ length: 40 }, (_, n) =>
      inTransaction(operator, async (client) => {
        const head = await appendAudit(client, entry({ details: { n } }));
        if (n % 4 === 0) throw new Error('undone');
        return head;
      }).catch((error: unknown) => {
        if (error instanceof Error && error.message === 'undone') return null;
        throw error;
      }),
    ),
  );
  const heads = outcomes.filter((one) => one !== null);
  const rows = await listAudit(reader, everything);
  expect(rows.map(({ seq }) => seq)).toEqual(Array.from({ length: 38 }, (_, n) => BigInt(38 - n)));
  for (const head of heads) expect(rows.find(({ seq }) => seq === head.seq)?.hash).toBe(head.hash);
  const times = rows.map(({ at }) => at);
  expect(times).toEqual([...times].sort((a, b) => b - a));
  expect(await verify()).toEqual({ kind: 'whole', head: await readAuditHead(reader) });
});

test('TypeScript works out the same hashes, whatever the text', async () => {
  for (const text of ['1:x;-;', 'é€😀', '\n\t"\\', ' ', '-', 'x'.repeat(200)])
    await append({
      actor: { type: 'api_key', id: text, keyId: text.slice(0, 20), role: 'operator' },
      ...{ tenantId: text, target: text, correlationId: text },
      details: { [text]: text, b: 1e21, a: [1.5, 0.1, 123456789012345, null, true], z: { é: '\u0001' } },
    });
  const rows = await listAudit(reader, everything);
  for (const row of rows) expect(auditHashOf(row)).toBe(row.hash);
  expect(await verify()).toMatchObject({ kind: 'whole', head: { seq: 14n } });
  // A null, an empty place and its neighbour's text are told apart.
  const [row] = rows;
  if (row === undefined) throw new Error('no rows');
  const hashes = [
    { ...row, keyId: null, role: 'xy' },
    { ...row, keyId: 'x', role: 'y' },
    { ...row, keyId: 'xy', role: null },
    { ...row, keyId: '', role: 'xy' },
    { ...row, keyId: '-', role: 'xy' },
  ].map(auditHashOf);
  expect(new Set(hashes).size).toBe(hashes.length);
});

test('nobody changes it', async () => {
  const statements = [
    `UPDATE meterhouse.audit_log SET outcome = 'denied'`,
    'DELETE FROM meterhouse.audit_log',
    'TRUNCATE meterhouse.audit_log',
    `UPDATE meterhouse.audit_log SET outcome = 'denied' WHERE false`,
  ];
  for (const statement of statements) {
    for (const pool of [operator, api, reader, bed.poolAs('meterhouse_aggregator')])
      expect(await failureOf(() => pool.query(statement))).toBe(FORBIDDEN);
    await expect(owner.query(statement)).rejects.toThrow('the audit log is only added to');
  }
  for (const pool of [operator, api])
    for (const statement of [
      `UPDATE meterhouse.audit_head SET seq = 0`,
      `INSERT INTO meterhouse.audit_log (seq, actor_type, actor_id, action, outcome) VALUES (1, 'p', 'p', 'p', 'done')`,
      `INSERT INTO meterhouse.audit_log (at, actor_type, actor_id, action, outcome) VALUES (now(), 'p', 'p', 'p', 'done')`,
      `INSERT INTO meterhouse.audit_log (hash, actor_type, actor_id, action, outcome) VALUES ('', 'p', 'p', 'p', 'done')`,
    ])
      expect(await failureOf(() => pool.query(statement))).toBe(FORBIDDEN);
});

test('what is too long is refused, and nothing with it', async () => {
  for (const more of [
    { details: { x: 'x'.repeat(8_192) } },
    { target: 'x'.repeat(513) },
    { action: '' },
    { actor: { type: 'person', id: '' } },
  ])
    expect(await failureOf(() => append(more))).toBe('23514');
  expect(await readAuditHead(reader)).toMatchObject({ seq: 8n });
});

test.each([
  ['changed', [`UPDATE meterhouse.audit_log SET outcome = 'denied' WHERE seq = 5`], 5n, 'row_changed'],
  [
    'changed in a field of details',
    [`UPDATE meterhouse.audit_log SET details = '{"x": 1}' WHERE seq = 2`],
    2n,
    'row_changed',
  ],
  [
    'dated otherwise',
    [`UPDATE meterhouse.audit_log SET at = at + interval '1 microsecond' WHERE seq = 4`],
    4n,
    'row_changed',
  ],
  [
    'changed, with its own hash made anew',
    [`UPDATE meterhouse.audit_log SET actor_id = 'eve' WHERE seq = 5`, REHASH('seq = 5')],
    6n,
    'link_broken',
  ],
  [
    'the last changed, with its hash',
    [`UPDATE meterhouse.audit_log SET actor_id = 'eve' WHERE seq = 8`, REHASH('seq = 8')],
    8n,
    'head_differs',
  ],
  ['taken out', ['DELETE FROM meterhouse.audit_log WHERE seq = 3'], 3n, 'row_missing'],
  ['the first taken out', ['DELETE FROM meterhouse.audit_log WHERE seq = 1'], 1n, 'row_missing'],
  [
    'taken out, and those behind it moved up',
    [
      'DELETE FROM meterhouse.audit_log WHERE seq = 3',
      'UPDATE meterhouse.audit_log SET seq = seq - 1 WHERE seq > 3',
      REHASH('seq > 2'),
    ],
    3n,
    'link_broken',
  ],
  ['cut off', ['DELETE FROM meterhouse.audit_log WHERE seq > 6'], 7n, 'tail_missing'],
  ['emptied', ['TRUNCATE meterhouse.audit_log'], 1n, 'tail_missing'],
  [
    'put in before the first',
    [
      `INSERT INTO meterhouse.audit_log SELECT (jsonb_populate_record(l, '{"seq": 0}')).* FROM meterhouse.audit_log AS l WHERE seq = 1`,
    ],
    0n,
    'row_unexpected',
  ],
  [
    'put in behind the last',
    [
      `INSERT INTO meterhouse.audit_log SELECT (jsonb_populate_record(l, jsonb_build_object('seq', 9, 'prev_hash', l.hash))).* FROM meterhouse.audit_log AS l WHERE seq = 8`,
      REHASH('seq = 9'),
    ],
    9n,
    'tail_unexpected',
  ],
] as const)('found: %s', async (_what, statements, seq, reason) => {
  expect(await verify()).toMatchObject({ kind: 'whole' });
  await tamper(...statements);
  expect(await verify()).toMatchObject({ kind: 'broken', seq, reason });
});

test('what was rewritten with its head is found by a head that was noted', async () => {
  const noted = await readAuditHead(reader);
  await append();
  expect(await verify(noted)).toMatchObject({ kind: 'whole', head: { seq: 9n } });
  await tamper(
    'DELETE FROM meterhouse.audit_log WHERE seq > 6',
    'UPDATE meterhouse.audit_head AS h SET seq = l.seq, hash = l.hash FROM meterhouse.audit_log AS l WHERE l.seq = 6',
  );
  expect(await verify()).toMatchObject({ kind: 'whole', head: { seq: 6n } });
  expect(await verify(noted)).toMatchObject({ kind: 'broken', seq: 7n, reason: 'tail_missing' });
  for (let n = 7; n <= 9; n++) await append();
  expect(await verify()).toMatchObject({ kind: 'whole', head: { seq: 9n } });
  expect(await verify(noted)).toMatchObject({ kind: 'broken', seq: 8n, reason: 'head_differs' });
});

test('I9: a scope appends for itself, and reads its own', async () => {
  const inScope = (tenantId: string | null) =>
    withTenantScope(api, 'a', (client) => appendAudit(client, entry({ tenantId, action: 'scoped' })));
  for (const tenantId of ['top', 'b', 'foreign', null])
    expect(await failureOf(() => inScope(tenantId))).toBe(FORBIDDEN);
  expect(await inScope('a1')).toMatchObject({ seq: 9n });
  await append({ tenantId: 'b' });
  await append({ tenantId: null });
  const seen = await withTenantScope(api, 'a', (client) => listAudit(client, everything));
  expect(new Set(seen.map(({ tenantId }) => tenantId))).toEqual(new Set(['a', 'a1']));
  expect(await verify()).toMatchObject({ kind: 'whole', head: { seq: 11n } });
});

test('listed by tenant, action, actor and time, the newest first', async () => {
  await append({ tenantId: 'b', action: 'other', actor: { type: 'person', id: 'bob' } });
  const seqs = async (filter: Partial<typeof everything> | Record<string, unknown>) =>
    (await listAudit(reader, { ...everything, ...filter })).map(({ seq }) => Number(seq));
  expect(await seqs({ tenantId: 'b' })).toEqual([9]);
  expect(await seqs({ action: 'other' })).toEqual([9]);
  expect(await seqs({ actorId: 'bob' })).toEqual([9]);
  expect(await seqs({ beforeSeq: 4n })).toEqual([3, 2, 1]);
  expect(await seqs({ limit: 2 })).toEqual([9, 8]);
  expect(await seqs({ since: Date.now() + 60_000 })).toEqual([]);
  expect(await seqs({ since: Date.now() - 3_600_000, limit: 1 })).toEqual([9]);
});
