/**
 * Guarantees of the postgres adapter and the outbox, on a real Postgres, with the rights that they ask for:
 *  - what `record` has resolved for is in the usage, to the digit, complete through a later instant (I6)
 *  - the same event again counts once; a metric that is not registered is refused by name
 *  - `check` of a tenant that nobody registered denies, and says that Postgres decided
 *  - I9: with a tenant scope nothing of another tenant is counted, told or decided
 *  - recordIn: refused before the database is asked, naming the field; with a rollback nothing is left; at the
 *    bound `buffer_full`, and the transaction goes on
 */
import { freshDatabase, sharedStack } from '@meterhouse/dev-stack/testing';
import { changeRegistry, createPool, migratePostgres } from '@meterhouse/postgres';
import { HOUR_MS, hourOf } from '@meterhouse/usage';
import { expect, onTestFinished, test } from 'vitest';
import { createMeter } from '../../create-meter.ts';
import { createOutbox } from '../../outbox.ts';

async function database() {
  const url = await freshDatabase(await sharedStack());
  await migratePostgres(url);
  const pool = createPool({ url, applicationName: 'test' });
  onTestFinished(() => pool.end());
  await pool.query(`
    INSERT INTO meterhouse.tenants (id, name) VALUES ('acme', 'Acme');
    INSERT INTO meterhouse.metrics (name, unit, aggregation, scale, family) VALUES ('calls', 'call', 'sum', 9, 'compute');
    UPDATE meterhouse.registry_version SET version = version + 1;
    CREATE TABLE orders (n integer)`);
  return { url, pool };
}

test('I6: recorded, counted once, and asked for', async () => {
  const { url } = await database();
  const meter = createMeter({ source: 'test', adapter: 'postgres', postgres: { url } });
  onTestFinished(() => meter.close().then(() => undefined));
  const event = { id: 'one', tenantId: 'acme', metric: 'calls', value: '0.000000001', ts: Date.now() };
  const before = Date.now();
  await meter.record(event);
  await meter.record(event);
  const hour = hourOf(event.ts);
  const usage = await meter.getUsage({ tenantId: 'acme', metric: 'calls', from: hour, to: hour + HOUR_MS });
  expect(usage).toMatchObject({ value: '0.000000001', unit: 'call', origin: 'postgres' });
  expect(Date.parse(usage.asOf.completeThrough ?? '')).toBeGreaterThanOrEqual(before);
  await expect(
    meter.getUsage({ tenantId: 'acme', metric: 'nothing', from: hour, to: hour + HOUR_MS }),
  ).rejects.toMatchObject({ code: 'refused', field: 'metric' });
  const answer = await meter.check({
    actor: { type: 'user', id: 'ann', roles: [], scopes: [] },
    ...{ tenantId: 'nobody', product: 'p', resourceType: 'r', action: 'a' },
  });
  expect(answer).toMatchObject({ outcome: 'deny', reason: 'unknown_tenant', decidedBy: 'postgres' });
});

test('I9: within a tenant scope an event, a question, of another tenant is refused; the others go through', async () => {
  const { url, pool } = await database();
  const tenants = [
    { id: 'acme', name: 'Acme' },
    { id: 'acme-search', name: 'Search', parent: 'acme' },
    { id: 'other', name: 'Other' },
  ];
  const changes = tenants.map((body) => ({
    ...{ kind: 'tenant' as const, id: body.id, before: null, privileged: false },
    after: { parent: null, class: null, plan: null, status: 'active', ...body },
  }));
  await changeRegistry(pool, () => ({ changes }), { author: { by: 'test', why: 'test' }, dryRun: false });
  const open = (tenantScope: string | undefined) => {
    const postgres = { url, ...(tenantScope === undefined ? {} : { tenantScope }) };
    const meter = createMeter({ source: 'test', adapter: 'postgres', postgres });
    onTestFinished(() => meter.close().then(() => undefined));
    return meter;
  };
  const ts = Date.now();
  const event = (tenantId: string) => ({ id: `of-${tenantId}`, tenantId, metric: 'calls', value: '1', ts });
  await open(undefined).record(event('other'));
  const meter = open('acme');
  const outcomes = await Promise.allSettled(
    ['acme', 'other', 'acme-search', 'nobody'].map((tenantId) =>
      meter.record({ ...event(tenantId), id: `scoped-${tenantId}` }),
    ),
  );
  expect(outcomes).toMatchObject([
    { status: 'fulfilled' },
    { reason: { code: 'refused', field: 'tenantId', reason: 'rejected', event: { tenantId: 'other' } } },
    { status: 'fulfilled' },
    { reason: { code: 'refused', field: 'tenantId', event: { tenantId: 'nobody' } } },
  ]);
  const counted = await pool.query('SELECT tenant_id FROM meterhouse.usage_hourly ORDER BY 1');
  expect(counted.rows.map((row: { tenant_id: string }) => row.tenant_id)).toEqual([
    'acme',
    'acme-search',
    'other',
  ]);
  expect((await pool.query('SELECT FROM meterhouse.quarantine')).rowCount).toBe(0);
  const hour = hourOf(ts);
  const asked = { metric: 'calls', from: hour, to: hour + HOUR_MS };
  expect(await meter.getUsage({ ...asked, tenantId: 'acme', descendants: true })).toMatchObject({
    value: '2',
  });
  const refused = { code: 'refused', field: 'tenantId' };
  await expect(meter.getUsage({ ...asked, tenantId: 'other' })).rejects.toMatchObject(refused);
  const question = {
    actor: { type: 'user', id: 'ann', roles: [], scopes: [] },
    ...{ product: 'p', resourceType: 'r', action: 'a' },
  };
  await expect(meter.check({ ...question, tenantId: 'other' })).rejects.toMatchObject(refused);
  expect(await meter.check({ ...question, tenantId: 'acme' })).toMatchObject({ outcome: 'deny' });
});

test('recordIn goes with the transaction', async () => {
  const { pool } = await database();
  const outbox = createOutbox({ source: 'orders' });
  const waiting = async (): Promise<unknown> =>
    (await pool.query('SELECT FROM meterhouse.usage_outbox')).rowCount;
  const client = await pool.connect();
  try {
    await client.query('BEGIN; SET LOCAL ROLE meterhouse_recorder');
    const { id } = await outbox.recordIn(
      client,
      { tenantId: 'acme', metric: 'calls' },
      { derivedFrom: 'order-1' },
    );
    await client.query('ROLLBACK');
    expect(await waiting()).toBe(0);
    await client.query('BEGIN; SET LOCAL ROLE meterhouse_recorder');
    const again = await outbox.recordIn(
      client,
      { tenantId: 'acme', metric: 'calls' },
      { derivedFrom: 'order-1' },
    );
    expect(again.id).toBe(id);
    await expect(outbox.recordIn(client, { tenantId: 'acme', metric: '' })).rejects.toMatchObject({
      code: 'refused',
      field: 'metric',
    });
    await client.query('COMMIT');
    expect(await waiting()).toBe(1);
    await pool.query('UPDATE meterhouse.outbox_state SET max_rows_per_lane = 1');
    await client.query('BEGIN');
    await expect(outbox.recordIn(client, { tenantId: 'acme', metric: 'calls' })).rejects.toMatchObject({
      code: 'buffer_full',
    });
    await client.query('INSERT INTO orders VALUES (1)');
    await client.query('COMMIT');
    expect((await pool.query('SELECT FROM orders')).rowCount).toBe(1);
    expect(await waiting()).toBe(1);
  } finally {
    client.release();
  }
});
