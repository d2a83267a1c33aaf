/**
 * - the audit log is read within the caller's scope, page by page, and each look stands in it
 * - quarantined events are seen, replayed and discarded by those whose they are, and nobody else
 * - a message that was looked at stands in the audit log
 * - a kept decision is listed within scope; the platform gets it explained and made again
 * - reservations are listed within scope
 */
import { createGate } from '@meterhouse/gate';
import { createPool, registryAt, type Pool } from '@meterhouse/postgres';
import { keepDecisions } from '@meterhouse/postgres/decisions';
import { reserve } from '@meterhouse/postgres/capacity';
import { PolicySet, recordDecision, SnapshotTable } from '@meterhouse/quota';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { problemSchema } from '../../http/problem.ts';
import { managementBed, type Bearer, type ManagementBed } from '../management.testing.ts';

const DECISION = '0190a0b0-0000-7000-8000-000000000001';
let bed: ManagementBed;
let owner: Pool;

beforeAll(async () => {
  bed = await managementBed();
  owner = createPool({ url: bed.url, applicationName: 'operating-test' });
  await owner.query(
    `INSERT INTO meterhouse.quarantine (source, partition, "offset", received_at, reason, detail, tenant_id, payload)
     SELECT 'usage_events', 0, n, now(), 'unknown_metric', 'none', (ARRAY['acme', 'acme-dev', 'lumen', NULL])[n], '\\x6869'
     FROM generate_series(1, 4) AS n`,
  );
  const gate = createPool({ url: bed.url, role: 'meterhouse_gate', applicationName: 'gate' });
  for (const tenantId of ['acme-dev', 'lumen']) {
    const wish = {
      pool: 'gpu',
      tenantId,
      units: 1n,
      key: tenantId,
      ttlMs: 600_000,
      by: 'test',
      reason: 'test',
    };
    expect((await reserve(gate, wish)).kind).toBe('reserved');
  }
  await gate.end();
  await keepDenial();
});
afterAll(async () => {
  await owner.end();
  await bed.close();
});

/** As the decision log keeps it: what a gate denied with the registry of now. */
async function keepDenial(): Promise<void> {
  const { rows } = await owner.query<{ version: string }>('SELECT version FROM meterhouse.registry_version');
  const version = BigInt(rows[0]?.version ?? 0);
  const policy = new PolicySet();
  for (const document of await registryAt(owner, version)) policy.stage(document);
  policy.complete(version);
  const { request, facts } = await createGate({
    snapshots: { usage: new SnapshotTable(), policy },
  }).factsOf({
    actor: { type: 'user', id: 'ann', roles: [], scopes: [] },
    tenantId: 'acme-dev',
    product: 'ai',
    resourceType: 'model',
    action: 'call',
    correlationId: 'c-1',
  });
  const { outcome, reason, ...record } = recordDecision(DECISION, request, facts);
  const decision = {
    ...{ id: DECISION, at: record.at, tenantId: 'acme-dev', outcome, reason, correlationId: 'c-1' },
    ...{ actorType: 'user', actorId: 'ann', registryVersion: version },
    record: JSON.stringify({ outcome, reason, ...record }),
  };
  await keepDecisions(owner, 'quota_decisions', [decision], []);
}

const audited = z.object({
  entries: z.array(z.object({ seq: z.string(), action: z.string(), tenantId: z.string().nullable() })),
  nextCursor: z.string().nullable(),
});
const events = z.object({
  events: z.array(z.object({ id: z.string(), tenantId: z.string().nullable(), status: z.string() })),
});
const settled = z.object({ ids: z.array(z.string()) });
async function waiting(bearer: Bearer): Promise<(string | null)[]> {
  const answer = await bed.done(events, bearer, 'GET', '/v1/quarantine?status=waiting');
  return answer.events.map(({ tenantId }) => tenantId);
}

it('quarantined events are seen by those whose they are', async () => {
  expect(await waiting('operator')).toEqual(['acme', 'acme-dev', 'lumen', null]);
  expect(await waiting('acme')).toEqual(['acme', 'acme-dev']);
  expect(await waiting('lumen')).toEqual(['lumen']);
  expect(await bed.refused('reader', 'GET', '/v1/quarantine')).toMatchObject({ status: 403 });
});

it('a message that was looked at stands in the audit log, and another tenant’s is not found', async () => {
  const [first] = (await bed.done(events, 'acme', 'GET', '/v1/quarantine')).events;
  const path = `/v1/quarantine/${first?.id ?? ''}`;
  const found = await bed.done(z.object({ payload: z.string() }), 'acme', 'GET', path);
  expect(Buffer.from(found.payload, 'base64').toString()).toBe('hi');
  expect((await bed.audit())[0]).toMatchObject({ action: 'quarantine.read', actorId: 't', tenantId: 'acme' });
  expect(await bed.refused('lumen', 'GET', path)).toMatchObject({ status: 404, code: 'not_found' });
});

it('a selection without bounds touches only what lies in the caller’s scope', async () => {
  const why = { reason: 'the metric is registered now' };
  const replayed = await bed.done(settled, 'acme', 'POST', '/v1/quarantine/replay', why);
  expect(replayed.ids).toHaveLength(2);
  expect((await bed.audit())[0]).toMatchObject({
    action: 'quarantine.replay',
    tenantId: 'acme',
    actorId: 't',
  });
  expect(await waiting('operator')).toEqual(['lumen', null]);
  const body = { tenantId: 'lumen', reason: 'a test of theirs' };
  expect(await bed.refused('acme', 'POST', '/v1/quarantine/discard', body)).toMatchObject({
    code: 'unknown_tenant',
  });
  const discarded = await bed.done(settled, 'operator', 'POST', '/v1/quarantine/discard', body);
  expect(discarded.ids).toHaveLength(1);
  expect(await waiting('operator')).toEqual([null]);
  const { rows } = await owner.query(`SELECT DISTINCT by FROM meterhouse.quarantine_history ORDER BY by`);
  expect(rows).toEqual([{ by: 'api_key:o' }, { by: 'api_key:t' }]);
});

it('the audit log is read within scope, page by page, and each look stands in it', async () => {
  const own = await bed.done(audited, 'acme', 'GET', '/v1/audit');
  expect(new Set(own.entries.map(({ tenantId }) => tenantId))).toEqual(new Set(['acme']));
  expect((await bed.audit())[0]).toMatchObject({ action: 'audit.read', actorId: 't', tenantId: 'acme' });
  const newest = await bed.done(audited, 'operator', 'GET', '/v1/audit?limit=1');
  const next = await bed.done(
    audited,
    'operator',
    'GET',
    `/v1/audit?limit=1&cursor=${newest.nextCursor ?? ''}`,
  );
  expect(newest.entries[0]).toMatchObject({ action: 'audit.read', tenantId: 'acme' });
  expect(BigInt(newest.entries[0]?.seq ?? 0) - BigInt(next.entries[0]?.seq ?? 0)).toBe(1n);
  expect(await bed.refused('acme', 'GET', '/v1/audit?tenantId=lumen')).toMatchObject({ status: 404 });
  expect(await bed.refused('reader', 'GET', '/v1/audit')).toMatchObject({ status: 403 });
});

it('a kept decision is listed within scope; the platform gets it explained and made again', async () => {
  const list = z.object({ decisions: z.array(z.object({ id: z.string(), reason: z.string() })) });
  const { decisions } = await bed.done(list, 'reader', 'GET', '/v1/decisions?outcome=deny');
  expect(decisions).toEqual([{ id: DECISION, reason: 'policy_denied' }]);
  expect((await bed.done(list, 'lumen', 'GET', '/v1/decisions')).decisions).toEqual([]);
  expect(await bed.refused('acme', 'GET', `/v1/decisions/${DECISION}`)).toMatchObject({ status: 403 });
  const steps = z.array(z.object({ question: z.string(), answer: z.string() }));
  const one = z.object({ steps, replay: z.array(z.unknown()) });
  const explained = await bed.done(one, 'operator', 'GET', `/v1/decisions/${DECISION}`);
  expect(explained.replay).toEqual([]);
  expect(explained.steps.find(({ answer }) => answer === 'no')?.question).toBe(
    'May user ann call model of ai?',
  );
  expect((await bed.audit())[0]).toMatchObject({
    action: 'decision.read',
    actorId: 'o',
    tenantId: 'acme-dev',
  });
});

it('a decision that cannot be made again is a conflict with its cause, and stands in no audit', async () => {
  const path = `/v1/decisions/${DECISION}`;
  const { rows } = await owner.query<{ record: unknown; version: string }>(
    'SELECT record, registry_version AS version FROM meterhouse.decisions WHERE id = $1',
    [DECISION],
  );
  const says = async (change: string, words: string): Promise<void> => {
    await owner.query(`UPDATE meterhouse.decisions SET ${change} WHERE id = $1`, [DECISION]);
    const before = await bed.audit();
    const response = await bed.send('operator', 'GET', path);
    const problem = problemSchema.parse(await response.json());
    expect([response.status, problem.code]).toEqual([409, 'conflict']);
    expect(problem.detail).toContain(words);
    expect(await bed.audit()).toEqual(before);
    await owner.query('UPDATE meterhouse.decisions SET record = $2, registry_version = $3 WHERE id = $1', [
      ...[DECISION, JSON.stringify(rows[0]?.record), rows[0]?.version],
    ]);
  };
  await says(`record = record - 'verdict'`, 'verdict: ');
  await says(
    `record = jsonb_set(record, '{registryVersion}', '"4711"'), registry_version = 4711`,
    'never was at 4711',
  );
  // By a registry that lets it go on to the limits it asks for usage that its record does not hold.
  const entitled = ['acme', 'acme-dev'].map((id) => ({
    kind: 'entitlement',
    document: {
      id,
      tenant: id,
      product: 'ai',
      resourceType: '*',
      action: '*',
      reason: 'test',
      author: 'test',
    },
  }));
  await bed.done(z.unknown(), 'admin', 'POST', '/v1/registry/apply', { documents: entitled, reason: 'test' });
  await says(
    `record = record || jsonb_build_object(
       'verdict', record -> 'verdict' || '{"outcome":"allow"}',
       'request', record -> 'request' || '{"usage":{"metric":"tokens","unit":"token","delta":"1"}}',
       'heard', '{"asOf":1,"ageMs":0,"monotonicAgeMs":0}'::jsonb,
       'registryVersion', v.of), registry_version = v.now
     FROM (SELECT version AS now, to_jsonb(version::text) AS of FROM meterhouse.registry_version) AS v`,
    'does not say anything of',
  );
  await owner.query(`UPDATE meterhouse.decisions SET outcome = 'allow' WHERE id = $1`, [DECISION]);
  const one = z.object({ replay: z.array(z.object({ field: z.string() })) });
  expect((await bed.done(one, 'operator', 'GET', path)).replay).toMatchObject([
    { field: 'outcome (column)' },
  ]);
  await owner.query(`UPDATE meterhouse.decisions SET outcome = 'deny' WHERE id = $1`, [DECISION]);
});

it('reservations are listed within scope', async () => {
  const list = z.object({ reservations: z.array(z.object({ tenantId: z.string(), state: z.string() })) });
  const read = async (bearer: Bearer) =>
    (await bed.done(list, bearer, 'GET', '/v1/reservations')).reservations.map(({ tenantId }) => tenantId);
  expect(await read('operator')).toEqual(['acme-dev', 'lumen']);
  expect(await read('reader')).toEqual(['acme-dev']);
  expect(await read('lumen')).toEqual(['lumen']);
});
