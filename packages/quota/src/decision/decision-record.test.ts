/**
 * Guarantees of a decision's record (the model test holds them at random):
 * - a stored record is read again as it was; what it lacks, or what is no value of its field, is named
 * - an answer that was changed is told field by field
 * - two periods of a metric that are known as of different snapshots have pending amounts of their own
 */
import { expect, test } from 'vitest';
import { PolicySet } from '../registry/policy-set.ts';
import { keyOf } from '../snapshot-table.ts';
import { decide, type Facts } from './decide.ts';
import { recordDecision, replayDecision, type DecisionRecord } from './decision-record.ts';
import { Policies } from './policies.ts';
import { parseDecisionRecord, UnreadableRecordError } from './stored-record.ts';
import type { DecisionRequest } from './request.ts';

const NOW = Date.UTC(2026, 4, 14, 10, 40);
const ONE = 1_000_000_000n;
const SOFT = { class: 'external', status: 'active' };
const BODIES = {
  tenant: { id: 'acme', name: 'Acme', parent: null, plan: 'pro', ...SOFT },
  metric: { name: 'tokens', unit: 'token', aggregation: 'sum', scale: 0, family: 'token_request' },
  product: {
    id: 'ai',
    name: 'AI',
    dimensions: [{ metric: 'tokens', unit: 'token' }],
    actions: [{ resourceType: 'model', action: 'call', launchSensitive: false }],
  },
  plan: {
    id: 'pro',
    name: 'Pro',
    limits: [
      { metric: 'tokens', period: 'hour', value: '100' },
      { metric: 'tokens', period: 'day', value: '1000' },
    ],
    entitlements: [{ product: 'ai', resourceType: '*', action: '*' }],
  },
};

const REQUEST: DecisionRequest = {
  correlationId: 'c-1',
  actor: { type: 'user', id: 'ann', roles: [], scopes: [] },
  tenantId: 'acme',
  product: 'ai',
  resourceType: 'model',
  action: 'call',
  usage: { metric: 'tokens', unit: 'token', delta: 5n * ONE },
  slots: 0,
};

function policies(): Policies {
  const set = new PolicySet();
  for (const [kind, body] of Object.entries(BODIES))
    set.stage({ kind, id: 'id' in body ? body.id : body.name, version: 1n, body });
  set.complete(1n);
  return new Policies(set);
}

/** The hour is known as of 2 s ago, the day as of now; 10 were let through in between. */
function facts(): Facts {
  const hour = keyOf('acme', 'tokens', 'hour');
  return {
    policies: policies(),
    verdict: { outcome: 'allow', engine: 'built_in', version: '1', rules: ['members'], problem: null },
    usage: {
      freshness: () => ({ asOf: NOW, ageMs: 0, monotonicAgeMs: 0 }),
      read: (key) => {
        const ageMs = key.text === hour ? 2_000 : 0;
        const amount = { used: '90', amount: 90n * ONE, perSecond: 0n };
        return { state: 'known', ...amount, periodStart: 0, asOf: NOW - ageMs, ageMs };
      },
    },
    pending: { pending: (_scope, _metric, sinceMs) => (sinceMs < 9_000 ? 10n * ONE : 0n) },
    strict: { outcome: 'not_needed' },
    rate: { outcome: 'none' },
    places: { outcome: 'none' },
    capacity: { outcome: 'not_needed' },
    now: { wallMs: NOW, monotonicMs: 10_000 },
  };
}

const stored = (): DecisionRecord =>
  JSON.parse(JSON.stringify(recordDecision('id', REQUEST, facts()))) as DecisionRecord;

test('periods that are known as of different snapshots have pending amounts of their own', () => {
  expect(decide(REQUEST, facts())).toMatchObject({ outcome: 'deny', quota: { pending: 10n * ONE } });
  const replay = replayDecision(stored(), policies());
  expect(replay.decision.checks.map(({ pending }) => pending)).toEqual([10n * ONE, 0n]);
  expect(replay.same).toBe(true);
});

test('a stored record is read again as it was', () => {
  expect(parseDecisionRecord(stored())).toEqual(stored());
});

test.each([
  ['verdict', ({ verdict: _, ...rest }: DecisionRecord) => rest],
  ['reason', (record: DecisionRecord) => ({ ...record, reason: 'bad_weather' })],
  ['ceiling.value', (record: DecisionRecord) => ({ ...record, ceiling: { ...record.ceiling, value: 100 } })],
  ['request.usage.delta', (record: DecisionRecord) => withDelta(record, '-5')],
  ['request.usage.delta', (record: DecisionRecord) => withDelta(record, '5.0000000001')],
  ['it', () => null],
])('what cannot be read is named: %s', (field, change) => {
  const read = () => parseDecisionRecord(change(stored()));
  expect(read).toThrow(UnreadableRecordError);
  expect(read).toThrow(`the record cannot be read: ${field}: `);
});

test('an answer that was changed is told field by field', () => {
  const record = stored();
  const { ceiling } = record;
  if (ceiling === null) throw new Error('the decision meets a ceiling');
  const changed = {
    ...record,
    reason: 'ok',
    outcome: 'allow',
    ceiling: { ...ceiling, value: '500' },
  } as const;
  expect(replayDecision(changed, policies()).differences).toEqual([
    { field: 'outcome', recorded: 'allow', replayed: 'deny' },
    { field: 'reason', recorded: 'ok', replayed: 'quota_exhausted' },
    { field: 'ceiling.value', recorded: '500', replayed: '100' },
  ]);
  const without = replayDecision({ ...record, ceiling: null }, policies());
  expect(without.differences).toContainEqual({ field: 'ceiling.scope', recorded: 'none', replayed: 'acme' });
  expect(without.same).toBe(false);
});

function withDelta(record: DecisionRecord, delta: string): unknown {
  return { ...record, request: { ...record.request, usage: { ...record.request.usage, delta } } };
}
