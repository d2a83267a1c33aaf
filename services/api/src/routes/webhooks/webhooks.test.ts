/**
 * Guarantees, on a real Postgres:
 * - A webhook is made, listed, read, changed, disabled, enabled and taken away by those who may, in their scope;
 *   to others it is as if it did not exist. Each change stands in the audit log.
 * - Its secret is shown when it is made and when it is rotated, never again, and lies sealed in the database.
 * - An address that is not public is refused, when it is made and when it is changed.
 * - A ping goes into the outbox; deliveries are listed page by page; what is dead is replayed, one or a time of them.
 * - The shape of events stands in the OpenAPI document.
 */
import { randomBytes } from 'node:crypto';
import { withTenantScope } from '@meterhouse/postgres/access';
import { changeLogBed } from '@meterhouse/postgres/testing';
import { bodyOf, SecretBox, webhookEvent } from '@meterhouse/webhooks';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import type { Principal } from '../../access/roles.ts';
import { known, startTestApi, treeOf } from '../../testing.ts';
import {
  deliveriesAnswer,
  pingAnswer,
  replayAnswer,
  secretAnswer,
  webhookAnswer,
  webhooksAnswer,
} from './schemas.ts';

const admin: Principal = { type: 'api_key', id: 'admin', role: 'tenant_admin', tenantId: 'acme' };
const PRINCIPALS: Readonly<Record<string, Principal>> = {
  admin,
  below: { ...admin, id: 'below', tenantId: 'search' },
  foreign: { ...admin, id: 'foreign', tenantId: 'other' },
  reader: { ...admin, id: 'reader', role: 'tenant_reader' },
  operator: { ...admin, id: 'operator', role: 'operator', tenantId: null },
};

async function webhooksBed({ maxPerTenant = 20 } = {}) {
  const changeLog = await changeLogBed();
  const { pool } = changeLog;
  await pool.query(
    `INSERT INTO meterhouse.tenants (id, name, parent)
     VALUES ('acme', 'Acme', NULL), ('search', 'Search', 'acme'), ('other', 'Other', NULL)`,
  );
  const scopedPool = changeLog.poolAs('meterhouse_api');
  const secrets = new SecretBox([randomBytes(32).toString('base64')], randomBytes);
  const api = await startTestApi({
    authenticate: known(PRINCIPALS),
    tree: treeOf({ acme: ['acme'], search: ['search', 'acme'], other: ['other'] }),
    webhooks: {
      scoped: (scope, work) => withTenantScope(scopedPool, scope, work),
      ...{ secrets, randomBytes, now: Date.now, maxPerTenant, maxWaiting: 100 },
      target: {
        resolve: (name) =>
          Promise.resolve([{ address: name === 'inside.example' ? '10.0.0.1' : '93.184.216.34', family: 4 }]),
        resolveTimeoutMs: 1_000,
        allowedNetworks: [],
      },
    },
  });
  onTestFinished(() => api.close());
  /** @returns the status, and the body where there is one */
  const ask = async (as: string, method: string, path: string, body?: unknown) => {
    const answer = await api.call(as, `/v1/webhooks${path}`, {
      method,
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const text = await answer.text();
    return { status: answer.status, body: text === '' ? null : (JSON.parse(text) as unknown) };
  };
  const make = async (as = 'admin', fields: object = {}) => {
    const answer = await ask(as, 'POST', '', {
      ...{ url: 'https://hook.example/meterhouse', events: ['usage.threshold_reached'] },
      ...fields,
    });
    expect(answer).toMatchObject({ status: 201 });
    return secretAnswer.parse(answer.body);
  };
  return { api, ask, make, pool, secrets };
}

test('it is made, read, changed and taken away, and each change is audited', async () => {
  const { ask, make, pool } = await webhooksBed();
  const { webhook, secret } = await make('admin', { thresholds: [75], description: 'ours' });
  expect(secret).toMatch(/^whsec_/);
  expect(webhook).toMatchObject({
    ...{ tenantId: 'acme', enabled: true, thresholds: [75], planThresholds: true, quietSeconds: 60 },
    createdBy: 'api_key:admin',
  });
  const path = `/${webhook.id}`;
  expect(await ask('admin', 'GET', path)).toEqual({ status: 200, body: webhook });
  const changed = await ask('admin', 'PATCH', path, { enabled: false, thresholds: [80, 90] });
  expect(webhookAnswer.parse(changed.body)).toMatchObject({
    ...{ enabled: false, disabledReason: 'asked', thresholds: [80, 90], description: 'ours' },
  });
  expect(await ask('admin', 'POST', `${path}/ping`)).toMatchObject({ status: 409 });
  const enabled = await ask('admin', 'PATCH', path, { enabled: true });
  expect(webhookAnswer.parse(enabled.body)).toMatchObject({ enabled: true, disabledReason: null });
  expect(await ask('admin', 'DELETE', path)).toEqual({ status: 204, body: null });
  expect(await ask('admin', 'GET', path)).toMatchObject({ status: 404 });
  const audit = await pool.query<{ action: string }>(
    `SELECT action FROM meterhouse.audit_log WHERE tenant_id = 'acme' AND target = $1 ORDER BY seq`,
    [`webhook:${webhook.id}`],
  );
  expect(audit.rows.map(({ action }) => action)).toEqual(
    ['create', 'change', 'change', 'delete'].map((what) => `webhook.${what}`),
  );
});

test('nobody reaches another’s, and a role no more than it may', async () => {
  const { ask, make } = await webhooksBed();
  const { webhook } = await make();
  const path = `/${webhook.id}`;
  for (const as of ['below', 'foreign']) {
    expect(await ask(as, 'GET', path)).toMatchObject({ status: 404 });
    expect(await ask(as, 'PATCH', path, { description: 'mine' })).toMatchObject({ status: 404 });
    expect(await ask(as, 'DELETE', path)).toMatchObject({ status: 404 });
    expect(await ask(as, 'POST', `${path}/rotate-secret`, {})).toMatchObject({ status: 404 });
    expect(await ask(as, 'GET', `${path}/deliveries`)).toMatchObject({ status: 404 });
    expect(webhooksAnswer.parse((await ask(as, 'GET', '')).body).webhooks).toEqual([]);
  }
  expect(await ask('foreign', 'GET', `${path}?tenantId=acme`)).toMatchObject({ status: 404 });
  expect(
    await ask('foreign', 'POST', '', {
      tenantId: 'acme',
      url: 'https://a.example',
      events: ['quota.denied'],
    }),
  ).toMatchObject({
    status: 404,
  });
  expect(await ask('reader', 'GET', path)).toMatchObject({ status: 403 });
  expect(await ask('operator', 'GET', `${path}?tenantId=acme`)).toMatchObject({ status: 200 });
  expect(await ask('operator', 'DELETE', `${path}?tenantId=acme`)).toMatchObject({ status: 403 });
  expect((await make('admin', { tenantId: 'search' })).webhook.tenantId).toBe('search');
  expect(webhooksAnswer.parse((await ask('below', 'GET', '')).body).webhooks.length).toBe(1);
});

test('its secret is shown once and lies sealed; a new one pushes the old one aside for a while', async () => {
  const { ask, make, pool, secrets } = await webhooksBed();
  const { webhook, secret } = await make();
  const path = `/${webhook.id}`;
  const stored = async () =>
    (
      await pool.query<{ secret: Buffer; previous_secret: Buffer | null }>(
        'SELECT secret, previous_secret FROM meterhouse.webhook_subscriptions WHERE id = $1',
        [webhook.id],
      )
    ).rows[0];
  expect(secrets.open(webhook.id, (await stored())?.secret ?? Buffer.alloc(0))).toBe(secret);
  const rotated = secretAnswer.parse((await ask('admin', 'POST', `${path}/rotate-secret`, {})).body);
  expect(rotated.secret).not.toBe(secret);
  expect(rotated.webhook.previousSecretValidUntil).not.toBeNull();
  const now = await stored();
  expect(secrets.open(webhook.id, now?.secret ?? Buffer.alloc(0))).toBe(rotated.secret);
  expect(secrets.open(webhook.id, now?.previous_secret ?? Buffer.alloc(0))).toBe(secret);
  const shown = JSON.stringify([await ask('admin', 'GET', path), await ask('admin', 'GET', '')]);
  expect(shown).not.toContain('whsec_');
  await ask('admin', 'POST', `${path}/rotate-secret`, { overlapSeconds: 0 });
  expect((await stored())?.previous_secret).toBeNull();
});

test.each([
  ...[
    'http://hook.example/',
    'https://127.0.0.1/',
    'https://[::1]/',
    'https://inside.example/',
    'https://169.254.169.254/',
  ],
  'https://user:word@hook.example/',
])('%s is refused', async (url) => {
  const { ask, make } = await webhooksBed();
  const { webhook } = await make();
  const refused = { status: 422, body: { code: 'refused', errors: [{ field: 'body.url' }] } };
  expect(await ask('admin', 'POST', '', { url, events: ['quota.denied'] })).toMatchObject(refused);
  expect(await ask('admin', 'PATCH', `/${webhook.id}`, { url })).toMatchObject(refused);
});

test('a tenant has no more than its bound', async () => {
  const { ask, make } = await webhooksBed({ maxPerTenant: 1 });
  await make();
  const body = { url: 'https://hook.example/', events: ['quota.denied'] };
  expect(await ask('admin', 'POST', '', body)).toMatchObject({ status: 409 });
  await make('foreign');
});

test('pings go into the outbox, deliveries are listed by page, what is dead is replayed', async () => {
  const { ask, make, pool } = await webhooksBed();
  const { webhook } = await make();
  const path = `/${webhook.id}`;
  const ids: string[] = [];
  for (let i = 0; i < 3; i += 1)
    ids.push(pingAnswer.parse((await ask('admin', 'POST', `${path}/ping`)).body).deliveryId);
  const first = deliveriesAnswer.parse((await ask('admin', 'GET', `${path}/deliveries?limit=2`)).body);
  const next = await ask('admin', 'GET', `${path}/deliveries?limit=2&cursor=${first.nextCursor}`);
  const second = deliveriesAnswer.parse(next.body);
  expect(second.nextCursor).toBeNull();
  const listed = [...first.deliveries, ...second.deliveries];
  expect(listed.map(({ id }) => id)).toEqual(ids.toReversed());
  const sent = webhookEvent.parse(JSON.parse(listed[0]?.body ?? ''));
  expect(bodyOf(sent)).toBe(listed[0]?.body);
  expect(sent).toMatchObject({ type: 'webhook.ping', data: { webhookId: webhook.id } });

  await pool.query(
    `UPDATE meterhouse.webhook_deliveries SET state = 'dead', attempts = 8, ended_at = now(), next_attempt_at = NULL`,
  );
  const dead = deliveriesAnswer.parse((await ask('admin', 'GET', `${path}/deliveries?state=dead`)).body);
  expect(dead.deliveries.length).toBe(3);
  const one = await ask('admin', 'POST', `${path}/deliveries/${ids[0]}/replay`);
  expect(one).toMatchObject({ status: 202, body: { replayed: 1 } });
  const [from, to] = [new Date(Date.now() - 3_600_000), new Date(Date.now() + 3_600_000)];
  const all = await ask('admin', 'POST', `${path}/replay`, { from, to });
  expect(replayAnswer.parse(all.body)).toEqual({ replayed: 2, nextCursor: null });
  const before = await ask('admin', 'POST', `${path}/replay`, { from: new Date(0), to: from });
  expect(replayAnswer.parse(before.body).replayed).toBe(0);
  const again = deliveriesAnswer.parse((await ask('admin', 'GET', `${path}/deliveries?state=pending`)).body);
  expect(again.deliveries.map(({ attempts, replays }) => [attempts, replays])).toEqual([
    [0, 1],
    [0, 1],
    [0, 1],
  ]);
});

test('the shape of every event stands in the OpenAPI document', async () => {
  const { api } = await webhooksBed();
  const document = z
    .object({ components: z.object({ schemas: z.record(z.string(), z.unknown()) }) })
    .parse(await (await api.call(null, '/openapi.json')).json());
  const shapes = document.components.schemas;
  for (const name of [
    'WebhookEvent',
    'WebhookUsageThresholdReached',
    'WebhookQuotaDecision',
    'WebhookDisabled',
  ])
    expect(Object.keys(shapes)).toContain(name);
  expect(JSON.stringify(shapes['WebhookEvent'])).toContain('WebhookUsageThresholdReached');
});
