/**
 * Guarantees, on a real stack: a decision of a real gate goes through the topic into the table, and
 * - decisions list finds it by tenant, outcome, reason and time
 * - decisions explain makes it again and says that it comes out the same, also after the plan was changed:
 *   by the registry of then
 * - a record or a column that was changed is reported as different, field by field, with exit code 1
 * - what cannot be made again is said with its cause
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { bareEnvironment } from '@meterhouse/dev-stack';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createGate, DecisionPublisher } from '@meterhouse/gate';
import {
  createDecisionEncoder,
  createKafka,
  createRegistry,
  ensureTopics,
  registerDecisionSchema,
} from '@meterhouse/kafka';
import { registryChangesSince } from '@meterhouse/postgres';
import { SnapshotTable, type DecisionRecord, type Question } from '@meterhouse/quota';
import { waitFor } from '@meterhouse/runtime';
import { Periods, UTC_CALENDAR } from '@meterhouse/usage/calendar';
import { commandBed } from '../testing.ts';

const DEADLINE_MS = 45_000;
const NAME = randomBytes(6).toString('hex');
const TOPIC = `quota_decisions_${NAME}`;
const bed = await commandBed();
let service: ChildProcess | null = null;
afterAll(async () => {
  if (service?.exitCode !== null || service.signalCode !== null) return;
  const gone = once(service, 'exit');
  service.kill('SIGTERM');
  await gone;
});

const registry = (limit: string): string => `
metrics:
  - { name: tokens, unit: token, aggregation: sum, scale: 0, family: token_request }
products:
  - id: ai
    name: AI
    dimensions: [{ metric: tokens, unit: token }]
    actions: [{ resourceType: model, action: call, launchSensitive: false }]
plans:
  - id: pro
    name: Pro
    limits: [{ metric: tokens, period: day, value: '${limit}' }]
    entitlements: [{ product: ai, resourceType: '*', action: '*' }]
accessRules:
  - { id: members, effect: allow, actors: { roles: [member] } }
tenants:
  - { id: acme, name: Acme, plan: pro }
`;

const QUESTION: Question = {
  actor: { type: 'user', id: 'ann', roles: ['member'], scopes: [] },
  tenantId: 'acme',
  product: 'ai',
  resourceType: 'model',
  action: 'call',
  usage: { metric: 'tokens', unit: 'token', delta: '5' },
  correlationId: 'c-quota',
};

beforeAll(async () => {
  await bed.json(['apply', '-f', await bed.file('registry.yaml', registry('100'))]);
  const kafka = createKafka({
    brokers: [bed.env['KAFKA_BROKERS'] ?? ''],
    clientId: 'test',
    logger: pino({ level: 'silent' }),
  });
  await ensureTopics(kafka, { quotaDecisions: { topic: TOPIC } });
  startDecisionLog();
  const schemas = createRegistry(bed.env['SCHEMA_REGISTRY_URL'] ?? '');
  const schemaId = await registerDecisionSchema(schemas, TOPIC, AbortSignal.timeout(DEADLINE_MS));
  const publisher = new DecisionPublisher({
    kafka,
    topic: TOPIC,
    encode: createDecisionEncoder(schemaId),
    logger: pino({ level: 'silent' }),
  });
  const table = await snapshots();
  const gate = createGate({ snapshots: { usage: table, policy: table.policy }, decisions: publisher });
  for (const question of [
    QUESTION,
    { ...QUESTION, actor: { ...QUESTION.actor, roles: [] }, correlationId: 'c-policy' },
  ])
    expect(await gate.admit(question)).toMatchObject({ admitted: false });
  await waitFor(
    'the decisions to be kept',
    async () => {
      const { rowCount } = await bed.pool.query('SELECT FROM meterhouse.decisions');
      return rowCount === 2 ? true : undefined;
    },
    { deadlineMs: DEADLINE_MS },
  );
  await publisher.close();
}, 90_000);

/** What the snapshot publisher would say: the registry as it is, and 99 of 100 used. */
async function snapshots(): Promise<SnapshotTable> {
  const table = new SnapshotTable();
  const { version, documents } = await registryChangesSince(bed.pool, 0n);
  const now = Date.now();
  let sequence = 0;
  const stamp = () => ({ epoch: 1, sequence: (sequence += 1), asOf: now, publishedAt: now });
  const live = performance.now();
  for (const { kind, id, version: since, body } of documents)
    table.apply({ kind: 'document', ...stamp(), documentKind: kind, id, version: since, body }, live);
  table.apply({ kind: 'registry', ...stamp(), version }, live);
  const used = { tenantId: 'acme', metric: 'tokens', period: 'day', used: '99' } as const;
  const { start: periodStart, end: periodEnd } = new Periods(UTC_CALENDAR).of('day', now);
  table.apply({ kind: 'usage', ...stamp(), ...used, periodStart, periodEnd }, live);
  table.apply({ kind: 'heartbeat', ...stamp() }, live);
  table.caughtUp();
  return table;
}

function startDecisionLog(): void {
  const main = fileURLToPath(new URL('../../../../services/decision-log/src/main.ts', import.meta.url));
  service = spawn(process.execPath, [main], {
    env: {
      ...bareEnvironment(),
      LOG_LEVEL: 'warn',
      ...bed.env,
      QUOTA_DECISIONS_TOPIC: TOPIC,
      DECISION_LOG_GROUP: `decision-log-${NAME}`,
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

interface Listed {
  readonly id: string;
  readonly reason: string;
  readonly correlationId: string;
}

const list = async (...args: string[]): Promise<readonly Listed[]> =>
  ((await bed.json(['decisions', 'list', ...args])) as { decisions: Listed[] }).decisions;
const idOf = async (reason: string): Promise<string> => (await list('--reason', reason))[0]?.id ?? '';

interface Explained {
  readonly same: boolean;
  readonly differences: readonly { field: string; recorded: string; replayed: string }[];
  readonly steps: readonly { question: string; answer: string }[];
  readonly record: DecisionRecord;
  readonly unreadableDocuments: number;
}

const explained = async (id: string, exitCode = 0): Promise<Explained> =>
  (await bed.json(['decisions', 'explain', id], exitCode)) as Explained;

/** Runs with one row changed by somebody who owns the table, and puts it back. */
async function tampered(id: string, change: string, look: () => Promise<void>): Promise<void> {
  await bed.pool.query('CREATE TABLE IF NOT EXISTS public.kept AS SELECT * FROM meterhouse.decisions');
  await bed.pool.query(`UPDATE meterhouse.decisions SET ${change} WHERE id = $1`, [id]);
  await look();
  await bed.pool.query(
    `UPDATE meterhouse.decisions AS d SET record = k.record, outcome = k.outcome,
       registry_version = k.registry_version FROM public.kept AS k WHERE k.id = d.id`,
  );
}

test('list finds them', async () => {
  expect((await list()).map(({ correlationId }) => correlationId).sort()).toEqual(['c-policy', 'c-quota']);
  expect(await list('--tenant', 'acme', '--reason', 'quota_exhausted', '--since', '24h')).toMatchObject([
    { reason: 'quota_exhausted', outcome: 'deny', actorType: 'user', actorId: 'ann' },
  ]);
  expect(await list('--outcome', 'warn')).toEqual([]);
  expect(await list('--tenant', 'other')).toEqual([]);
  expect(await list('--limit', '1')).toHaveLength(1);
  await bed.pool.query(
    `UPDATE meterhouse.decisions SET at = at - interval '2 days' WHERE reason = 'policy_denied'`,
  );
  expect(await list('--since', '24h')).toMatchObject([{ correlationId: 'c-quota' }]);
  await bed.pool.query(
    `UPDATE meterhouse.decisions SET at = at + interval '2 days' WHERE reason = 'policy_denied'`,
  );
  const { stdout } = await bed.run('decisions', 'list');
  expect(stdout).toMatch(/acme\s+deny\s+policy_denied\s+user ann\s+c-policy/);
});

test('explain: the same now, and the same after the plan was changed', async () => {
  const id = await idOf('quota_exhausted');
  const before = await bed.run('decisions', 'explain', id);
  expect(before.stdout).toContain('acme 100 a day of tokens (plan:pro)');
  expect(before.stdout).toContain('used 99, pending 0, left 1');
  expect(before.stdout).toContain('comes out the same');
  expect(before.exitCode).toBe(0);

  await bed.json(['apply', '-f', await bed.file('registry.yaml', registry('100000'))]);
  expect(await bed.run('decisions', 'explain', id)).toEqual(before);
  expect(await explained(id)).toMatchObject({
    same: true,
    differences: [],
    record: { ceiling: { value: '100', used: '99' }, registryVersion: '2' },
  });
  const policy = await explained(await idOf('policy_denied'));
  expect(policy.steps.map(({ answer }) => answer).slice(0, 3)).toEqual(['yes', 'no', 'not asked']);
});

test('what was changed is reported, with exit code 1', async () => {
  const id = await idOf('quota_exhausted');
  await tampered(id, `record = jsonb_set(record, '{outcome}', '"allow"')`, async () => {
    expect((await explained(id, 1)).differences).toEqual([
      { field: 'outcome (column)', recorded: 'deny', replayed: 'allow' },
      { field: 'outcome', recorded: 'allow', replayed: 'deny' },
    ]);
    const { stdout } = await bed.run('decisions', 'explain', id);
    expect(stdout).toContain('does NOT come out the same:');
    expect(stdout).toMatch(/outcome\s+allow\s+deny/);
  });
  await tampered(id, `record = jsonb_set(record, '{readings,acme|tokens|day,used}', '"12"')`, async () => {
    expect((await explained(id, 1)).differences).toContainEqual({
      ...{ field: 'outcome', recorded: 'deny', replayed: 'allow' },
    });
  });
  await tampered(id, `record = jsonb_set(record, '{ceiling,value}', '"500"')`, async () => {
    expect((await explained(id, 1)).differences).toEqual([
      { field: 'ceiling.value', recorded: '500', replayed: '100' },
    ]);
  });
  await tampered(id, `outcome = 'allow'`, async () => {
    expect((await explained(id, 1)).differences).toEqual([
      { field: 'outcome (column)', recorded: 'allow', replayed: 'deny' },
    ]);
  });
  expect((await explained(id)).same).toBe(true);
});

test('what cannot be made again is said with its cause', async () => {
  const id = await idOf('quota_exhausted');
  const says = async (change: string, words: string): Promise<void> => {
    await tampered(id, change, async () => {
      const answer = await bed.run('decisions', 'explain', id);
      expect([answer.exitCode, answer.stdout]).toEqual([1, '']);
      expect(answer.stderr).toContain(words);
    });
  };
  await says(`record = record - 'verdict'`, 'the record cannot be read: verdict: ');
  await says(`record = jsonb_set(record, '{readings}', '{}')`, 'does not say anything of acme|tokens|day');
  await says(
    `record = jsonb_set(record, '{registryVersion}', '"4711"'), registry_version = 4711`,
    'never was at 4711',
  );
  // A document that this build cannot read, as another release would have written it.
  await bed.pool.query(
    `UPDATE meterhouse.registry_changes SET after = '{"id":"pro"}' WHERE kind = 'plan' AND version = 2`,
  );
  expect(await explained(id, 1)).toMatchObject({ same: false, unreadableDocuments: 1 });
  const { stdout } = await bed.run('decisions', 'explain', id);
  expect(stdout).toContain('1 document of the registry of then cannot be read by this build');

  const unknown = await bed.run('decisions', 'explain', '00000000-0000-4000-8000-000000000000');
  expect([unknown.exitCode, unknown.stderr]).toEqual([1, expect.stringContaining('no decision 00000000')]);
  for (const args of [
    ['explain', 'x'],
    ['list', '--since', 'soon'],
    ['list', '--outcome', 'perhaps'],
  ])
    expect((await bed.run('decisions', ...args)).exitCode).toBe(2);
});
