/**
 * Deciding on the whole pipeline: events through the broker, the aggregator and the snapshot service,
 * limits through the command, and gates that follow the topic.
 * - a tenant at 99 of 100 that sends 2 more is denied the second: by its own gate at once, by another
 *   gate once the snapshot has arrived
 * - a limit set by the command changes the decisions of a gate that was there before
 * - the command says the same, with the whole walk
 * - the snapshot service killed: launches are denied as stale; started again: they are let through
 * - a refused launch takes no capacity; one that was not done gives it back
 */
import { afterAll, expect, test } from 'vitest';
import type { Gate } from '@meterhouse/gate';
import type { Question } from '@meterhouse/quota';
import { Releases, waitFor } from '@meterhouse/runtime';
import { commandBed } from '../../packages/cli/src/testing.ts';
import { DEADLINE, DecidingBed, end } from './deciding-bed.testing.ts';

const REGISTRY = (perDay: number): string => `
tenants:
  - { id: org, name: Org, plan: pro }
  - { id: team, name: Team, parent: org }
  - { id: other, name: Other }
metrics:
  - { name: tokens, unit: token, aggregation: sum, scale: 0, family: token_request }
pools:
  - { id: gpu, unit: gpu, size: 1 }
products:
  - id: ai
    name: AI
    dimensions: [{ metric: tokens, unit: token }]
    actions:
      - { resourceType: model, action: call, launchSensitive: false }
      - { resourceType: job, action: launch, launchSensitive: true, pool: gpu }
plans:
  - id: pro
    name: Pro
    limits: [{ metric: tokens, period: month, value: '${perDay}' }]
    entitlements: [{ product: ai, resourceType: '*', action: '*' }]
accessRules:
  - { id: members, effect: allow, actors: { roles: [member] }, products: [ai] }
`;

const bed = await commandBed();
const releases = new Releases();
afterAll(() => releases.releaseAll());
const deciding = new DecidingBed(bed, releases);
const actor = { type: 'user', id: 'ann', roles: ['member'], scopes: [] };
const call: Question = {
  actor,
  tenantId: 'team',
  product: 'ai',
  resourceType: 'model',
  action: 'call',
  usage: { metric: 'tokens', unit: 'token', delta: 1 },
};
const launch: Question = { actor, tenantId: 'team', product: 'ai', resourceType: 'job', action: 'launch' };

async function applyLimit(perDay: number): Promise<void> {
  await bed.json(['apply', '-f', await bed.file('registry.yaml', REGISTRY(perDay))]);
}

async function until(gate: Gate, question: Question, reason: string): Promise<void> {
  await waitFor(
    `the answer ${reason}`,
    () => (gate.look(question).reason === reason ? true : undefined),
    DEADLINE,
  );
}

await applyLimit(100);
await bed.startAggregator();
let snapshots = deciding.startSnapshots();
const meter = deciding.openMeter();
const gate = await deciding.openGate();
const other = await deciding.openGate();

test('99 of 100 used: of two more the second is denied, here at once and elsewhere by the snapshot', async () => {
  const used = { tenantId: 'team', metric: 'tokens', unit: 'token' };
  for (let i = 0; i < 99; i++) meter.add({ ...used, value: '1' });
  await meter.flush();
  await waitFor(
    '99 to be known',
    () => (gate.look(call).quota?.remaining === 1_000_000_000n ? true : undefined),
    DEADLINE,
  );

  const first = await gate.admit(call);
  expect(first.decision).toMatchObject({ outcome: 'allow', reason: 'ok' });
  expect((await gate.admit(call)).decision).toMatchObject({ outcome: 'deny', reason: 'quota_exhausted' });
  // Another process does not know of it yet, and is told by the snapshot.
  await meter.record({ ...used, value: '1' });
  first.settle();
  await until(other, call, 'quota_exhausted');
  expect(other.look(call)).toMatchObject({
    outcome: 'deny',
    quota: { ceiling: { scope: 'org' }, remaining: 0n },
  });
  // What was settled here is in the snapshot by now, and does not count twice.
  await waitFor(
    'it to be forgotten',
    () => (gate.look(call).quota?.pending === 0n ? true : undefined),
    DEADLINE,
  );
});

test('a limit set by the command changes what a running gate decides', async () => {
  const version = gate.look(call).evidence.registryVersion;
  await applyLimit(200);
  await until(gate, call, 'ok');
  await until(other, call, 'ok');
  expect(gate.look(call).evidence.registryVersion).toBeGreaterThan(version);
  await applyLimit(100);
  await until(gate, call, 'quota_exhausted');
});

test('one launch fits the pool; one that was not done gives its place back', async () => {
  await until(gate, launch, 'ok');
  const first = await gate.admit(launch);
  expect(first).toMatchObject({ admitted: true, decision: { reason: 'ok' } });
  const second = await other.admit(launch);
  expect(second.decision).toMatchObject({ outcome: 'deny', reason: 'no_capacity' });
  await first.release();
  const third = await other.admit(launch);
  expect(third.admitted).toBe(true);
  await third.release();
});

test('the command gives the same answers, each with its walk', async () => {
  const ask = async (exitCode: number, ...args: string[]) =>
    (await bed.json(['decide', '--tenant', 'team', '--explain', ...args], exitCode)) as {
      outcome: string;
      reason: string;
      walk: { question: string; answer: string }[];
    };
  const member = ['--role', 'member'];
  const calls = ['--metric', 'tokens', '--action', 'call'];
  const denials = [
    await ask(1, ...calls),
    await ask(1, ...calls, ...member),
    await ask(1, '--action', 'launch', ...member, '--slots', '2'),
    await ask(1, '--tenant', 'other', ...calls, ...member),
  ];
  expect(denials.map(({ reason }) => reason)).toEqual([
    'policy_denied',
    'quota_exhausted',
    'no_capacity',
    'missing_entitlement',
  ]);
  for (const { outcome, walk } of denials) {
    expect(outcome).toBe('deny');
    expect(walk.filter(({ question, answer }) => answer === 'no' && !question.startsWith(' '))).toHaveLength(
      1,
    );
  }
  expect(await ask(0, '--action', 'launch', ...member)).toMatchObject({ outcome: 'allow', reason: 'ok' });
  const unclear = await bed.run('decide', '--tenant', 'team', '--metric', 'tokens');
  expect(unclear.exitCode).toBe(2);
  expect(unclear.stderr).toContain('ai model call, ai job launch');
});

test('I7: the snapshot service killed, launches are denied as stale; started again, they are not', async () => {
  await end(snapshots, 'SIGKILL');
  await until(gate, launch, 'stale_snapshot');
  expect(
    await bed.json(['decide', '--tenant', 'team', '--action', 'launch', '--role', 'member'], 1),
  ).toMatchObject({ reason: 'stale_snapshot' });
  expect((await gate.admit(launch)).decision).toMatchObject({ outcome: 'deny', reason: 'stale_snapshot' });
  snapshots = deciding.startSnapshots();
  await until(gate, launch, 'ok');
});
