/**
 * Guarantees of a meter that adds up:
 *  - amounts go out as one event for each tenant, metric, attributes and hour, and nothing of them is lost:
 *    at the interval, at flush, at close, at the bound of sums, and when the buffer has been full meanwhile
 *  - what is no event is refused at once, with its field; nothing is ever thrown
 *  - what never finds room is counted and told
 *  - where the configuration does not say so, each amount is an event with its correlation id
 */
import { formatDecimal, ONE, parseDecimal, type UsageEvent } from '@meterhouse/usage';
import { expect, it, onTestFinished, vi } from 'vitest';
import type { MeterConfiguration } from '../configuration/schema.ts';
import { createMeter } from '../create-meter.ts';
import type { MeterError } from '../errors.ts';
import { overTransport } from '../own-adapter.ts';
import { withTenant } from '../tenant-context.ts';

type Options = Pick<MeterConfiguration, 'sums' | 'bounds'>;

function bed(options: Options) {
  const delivered: UsageEvent[] = [];
  const lost: MeterError[] = [];
  const held: (() => void)[] = [];
  let holding = false;
  let now = Date.parse('2026-11-29T10:59:59.000Z');
  let ids = 0;
  const adapter = overTransport({
    send: async (events) => {
      if (holding) await new Promise<void>((resolve) => held.push(resolve));
      delivered.push(...events);
    },
    close: () => Promise.resolve(),
    remakes: () => 0,
  });
  const meter = createMeter(
    { source: 'test', adapter, ...options },
    { ports: { now: () => now, newId: () => `e-${ids++}` }, onRefused: (error) => lost.push(error) },
  );
  onTestFinished(async () => {
    holding = false;
    for (const go of held) go();
    await meter.close({ deadlineMs: 0 });
  });
  return {
    ...{ meter, delivered, lost },
    hold: () => (holding = true),
    letGo: () => {
      holding = false;
      for (const go of held.splice(0)) go();
    },
    at: (ts: string) => (now = Date.parse(ts)),
    total: (metric: string) =>
      formatDecimal(
        delivered
          .filter((event) => event.metric === metric)
          .reduce((sum, { value }) => sum + (parseDecimal(value) as bigint), 0n),
      ),
  };
}

const calls = (route: string, bytes = 10n) => ({
  tenantId: 'acme',
  attrs: { route },
  amounts: [
    ['http.requests', ONE],
    ['http.bytes_in', bytes * ONE],
  ] as const,
  correlationId: 'c-1',
});

it('sends one event for many amounts, at the interval', async () => {
  const { meter, delivered } = bed({ sums: { everyMs: 1 } });
  for (let index = 0; index < 1_000; index++) expect(meter.addUp(calls('/a'))).toBe(true);
  expect(meter.counters()).toMatchObject({ sums: 2, accepted: 0 });
  await vi.waitFor(() => expect(delivered).toHaveLength(2));
  expect(delivered).toMatchObject([
    { tenantId: 'acme', metric: 'http.requests', value: '1000', attrs: { route: '/a' }, correlationId: null },
    { metric: 'http.bytes_in', value: '10000', source: 'test' },
  ]);
  expect(new Set(delivered.map(({ id }) => id)).size).toBe(2);
  expect(meter.counters()).toMatchObject({ sums: 0, accepted: 2, acknowledged: 2 });
});

it('keeps hours, routes and tenants apart', async () => {
  const { meter, delivered, at } = bed({ sums: { everyMs: 60_000 } });
  meter.addUp(calls('/a'));
  meter.addUp(calls('/b'));
  meter.addUp({ ...calls('/a'), tenantId: 'other' });
  at('2026-11-29T11:00:00.000Z');
  meter.addUp(calls('/a'));
  await meter.flush();
  const requests = delivered.filter(({ metric }) => metric === 'http.requests');
  expect(
    requests.map(({ tenantId, attrs, ts }) => [tenantId, attrs['route'], new Date(ts).toJSON()]),
  ).toEqual([
    ['acme', '/a', '2026-11-29T10:59:59.000Z'],
    ['acme', '/b', '2026-11-29T10:59:59.000Z'],
    ['other', '/a', '2026-11-29T10:59:59.000Z'],
    ['acme', '/a', '2026-11-29T11:00:00.000Z'],
  ]);
});

it('sends what is left when it closes', async () => {
  const { meter, total } = bed({ sums: { everyMs: 60_000 } });
  for (let index = 0; index < 5; index++) meter.addUp(calls('/a'));
  await meter.close();
  expect([total('http.requests'), total('http.bytes_in')]).toEqual(['5', '50']);
  expect(meter.addUp(calls('/a'))).toBe(false);
});

it('sends all at the bound of sums, and goes on', async () => {
  const { meter, total, lost } = bed({ sums: { everyMs: 60_000, maxSums: 10 } });
  for (let index = 0; index < 100; index++) expect(meter.addUp(calls(`/${index}`))).toBe(true);
  expect(meter.counters().sums).toBeLessThanOrEqual(10);
  await meter.close();
  expect([total('http.requests'), lost]).toEqual(['100', []]);
});

it('loses nothing while the buffer is full: the sums go on growing', async () => {
  const { meter, total, lost, hold, letGo } = bed({
    sums: { everyMs: 1 },
    bounds: { bufferEvents: 1, batchEvents: 1, lingerMs: 0 },
  });
  hold();
  for (let round = 0; round < 20; round++) {
    for (let index = 0; index < 10; index++) expect(meter.addUp(calls('/a'))).toBe(true);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const flushed = meter.flush();
  letGo();
  await flushed;
  expect([total('http.requests'), total('http.bytes_in'), lost]).toEqual(['200', '2000', []]);
  expect(meter.counters().refused.buffer_full).toBe(0);
});

it('tries again by itself when there was no room at the interval', async () => {
  const { meter, total, hold, letGo } = bed({
    sums: { everyMs: 1 },
    bounds: { bufferEvents: 1, batchEvents: 1, lingerMs: 0 },
  });
  hold();
  meter.add({ tenantId: 'acme', metric: 'fills.it' });
  meter.addUp(calls('/a'));
  // Its interval has come and gone: this timer was set after it, and for longer.
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(meter.counters().sums).toBe(2);
  letGo();
  await vi.waitFor(() => expect([total('http.requests'), total('http.bytes_in')]).toEqual(['1', '10']));
});

it('counts and tells what found no room when it closes, and at the bound', async () => {
  const { meter, lost, hold } = bed({
    sums: { everyMs: 60_000, maxSums: 2 },
    bounds: { bufferEvents: 1, batchEvents: 1, lingerMs: 0 },
  });
  hold();
  expect(meter.add({ tenantId: 'acme', metric: 'fills.it' })).toBe(true);
  expect(meter.addUp(calls('/a'))).toBe(true);
  expect(meter.addUp(calls('/b'))).toBe(false);
  expect(lost.map(({ code }) => code)).toEqual(['buffer_full', 'buffer_full']);
  await meter.close({ deadlineMs: 1 });
  expect(lost.filter(({ code }) => code === 'buffer_full').map(({ event }) => event?.attrs['route'])).toEqual(
    [...['/b', '/b', '/a', '/a']],
  );
  expect(meter.counters()).toMatchObject({ sums: 0, refused: { buffer_full: 4 }, failed: 1 });
});

it('refuses at once what is no event', () => {
  const { meter, lost } = bed({ sums: { everyMs: 60_000 } });
  expect(meter.addUp({ ...calls('/a'), tenantId: 'Not A Tenant' })).toBe(false);
  expect(meter.addUp({ attrs: {}, amounts: [['m.x', ONE]] })).toBe(false);
  expect(lost.map(({ field }) => field)).toEqual(['tenantId', 'tenantId', 'tenantId']);
  expect(meter.counters()).toMatchObject({ sums: 0, refused: { invalid_event: 3 } });
});

it.each([
  ['with sums', { sums: { everyMs: 60_000 } }],
  ['without', {}],
])('never throws at its caller, nor later from a timer: %s', async (_, options) => {
  const { meter, lost, delivered } = bed(options);
  const amounts = [['m.x', ONE]];
  const bad: [field: string, usage: unknown][] = [
    ['usage', undefined],
    ['usage', null],
    ['amounts', {}],
    ['amounts', { ...calls('/a'), amounts: [['m.x', 3]] }],
    ['amounts', { ...calls('/a'), amounts: ['m.x'] }],
    ['attrs', { tenantId: 'acme', amounts }],
    ['attribution', { ...calls('/a'), attribution: 7 }],
  ];
  for (const [, usage] of bad) expect(meter.addUp(usage as ReturnType<typeof calls>)).toBe(false);
  expect(lost.map(({ code, field }) => [code, field])).toEqual(bad.map(([field]) => ['refused', field]));
  expect(meter.counters()).toMatchObject({ sums: 0, refused: { invalid_event: bad.length } });
  await meter.flush();
  expect(delivered).toEqual([]);
});

it('takes tenant and attribution from the context', async () => {
  const { meter, delivered } = bed({ sums: { everyMs: 60_000 } });
  const usage = { attrs: {}, amounts: [['m.x', ONE]] as const };
  for (const id of ['eve', 'eve', 'joe'])
    withTenant({ tenantId: 'acme', principal: { type: 'user', id, roles: [], scopes: [] } }, () =>
      meter.addUp(usage),
    );
  await meter.flush();
  expect(delivered.map(({ tenantId, value, attribution }) => [tenantId, value, attribution])).toEqual([
    ['acme', '2', { principal_type: 'user', principal_id: 'eve' }],
    ['acme', '1', { principal_type: 'user', principal_id: 'joe' }],
  ]);
});

it('sends each amount by itself where nobody asked for sums', async () => {
  const { meter, delivered } = bed({});
  meter.addUp(calls('/a'));
  meter.addUp(calls('/a'));
  await meter.flush();
  expect(delivered.map(({ metric, value, correlationId }) => [metric, value, correlationId])).toEqual([
    ['http.requests', '1', 'c-1'],
    ['http.bytes_in', '10', 'c-1'],
    ['http.requests', '1', 'c-1'],
    ['http.bytes_in', '10', 'c-1'],
  ]);
});
