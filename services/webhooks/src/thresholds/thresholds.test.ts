/**
 * Guarantees, on a real broker, Postgres and receiver:
 * - A threshold is told once for each (subscription, tenant, metric, period, threshold): when usage jumps over
 *   several, each of them; by one instance, by two, and after a restart, no more.
 * - A new period begins anew; a threshold that was reached in a period's last moment, or while nothing ran, is
 *   told after its end, from Postgres.
 * - Periods are the tenant's own, by the calendar of its root, live and after their end.
 * - A threshold of a total is told once for each amount that the limit has had, for as long as the subscription
 *   is there, also when old deliveries were forgotten since.
 * - The limit is the one in force, with its overrides; plan thresholds count where they are asked for.
 * - A subscription hears of its tenant and all below it, of the metrics that it named, and of nobody else.
 * - While too much waits nothing is lost: it is told when there is room.
 */
import { forgetDeliveries } from '@meterhouse/postgres/webhooks';
import { waitFor } from '@meterhouse/runtime';
import { DAY_MS, HOUR_MS, hourOf } from '@meterhouse/usage';
import { Periods, UTC_CALENDAR, type Calendar } from '@meterhouse/usage/calendar';
import { webhookEvent } from '@meterhouse/webhooks';
import { expect, test } from 'vitest';
import { startReceiver, type Receiver } from '../testing/receiver.ts';
import { serviceBed, type Said, type ServiceBed } from '../testing/service-bed.ts';
import { DEADLINE_MS } from '../testing/webhook-bed.ts';

const PLAN = {
  id: 'pro',
  name: 'Pro',
  limits: [
    { metric: 'm.sum', period: 'day', value: '1000', warnAt: [50, 90] },
    { metric: 'm.other', period: 'hour', value: '10' },
    { metric: 'm.total', period: 'total', value: '100' },
  ],
};
const PERIOD = { 'm.sum': 'day', 'm.other': 'hour', 'm.total': 'total' } as const;
const tenant = (id: string, parent: string | null, billing?: Calendar) => ({
  kind: 'tenant',
  id,
  body: {
    id,
    name: id,
    parent,
    class: 'external',
    plan: 'pro',
    status: 'active',
    ...(billing && { billing }),
  },
});
const metric = (name: string) => ({
  kind: 'metric',
  id: name,
  body: { name, unit: 'unit', aggregation: 'sum', scale: 9, family: 'test', groupBy: [] },
});

async function thresholdBed(): Promise<ServiceBed> {
  const bed = await serviceBed();
  await bed.register([
    { kind: 'plan', id: 'pro', body: PLAN },
    ...Object.keys(PERIOD).map(metric),
    ...[tenant('acme', null), tenant('search', 'acme'), tenant('team', 'search'), tenant('other', null)],
  ]);
  return bed;
}

/** In the current period of the metric's limit. */
function used(
  bed: ServiceBed,
  tenantId: string,
  amount: string,
  of: keyof typeof PERIOD = 'm.sum',
  calendar = UTC_CALENDAR,
): Said {
  const period = PERIOD[of];
  const { start, end } = new Periods(calendar).of(period, bed.clock.now);
  const span = { periodStart: start, periodEnd: end === Infinity ? null : end };
  return { kind: 'usage', tenantId, metric: of, period, ...span, used: amount };
}

/** `tenant metric percent`, in order. */
function told({ received }: Receiver): string[] {
  return received
    .map(({ body }) => webhookEvent.parse(JSON.parse(body)))
    .map(({ data }) =>
      'thresholdPercent' in data ? `${data.tenantId} ${data.metric} ${data.thresholdPercent}` : '?',
    )
    .sort();
}

const untilTold = (receiver: Receiver, count: number): Promise<true> =>
  waitFor(`${count} messages`, () => (receiver.received.length >= count ? true : undefined), {
    deadlineMs: DEADLINE_MS,
  });

test('each threshold once, however many are jumped over, restarts and instances', async () => {
  const bed = await thresholdBed();
  const receiver = await startReceiver();
  const sentinel = await startReceiver();
  await bed.subscribe(receiver.url, { thresholds: [80, 100, 200] });
  await bed.subscribe(sentinel.url, { tenantId: 'other', thresholds: [80], planThresholds: false });
  const first = await bed.start();
  await bed.say([used(bed, 'acme', '950.5')]);
  await untilTold(receiver, 3);
  expect(told(receiver)).toEqual(['acme m.sum 50', 'acme m.sum 80', 'acme m.sum 90']);
  expect(webhookEvent.parse(JSON.parse(receiver.received[0]?.body ?? ''))).toMatchObject({
    type: 'usage.threshold_reached',
    data: {
      ...{
        used: '950.5',
        unit: 'unit',
        period: 'day',
        final: false,
        asOf: new Date(bed.clock.now).toISOString(),
      },
      limit: { value: '1000', mode: 'hard', source: 'plan:pro' },
    },
  });
  await first.stop();
  await Promise.all([bed.start(), bed.start({ groupId: 'second' })]);
  await bed.say([used(bed, 'acme', '2000')]);
  await untilTold(receiver, 5);
  // Whoever looked at this one has looked at the others before.
  await bed.say([used(bed, 'other', '900')]);
  await untilTold(sentinel, 1);
  const all = ['100', '200', '50', '80', '90'].map((percent) => `acme m.sum ${percent}`);
  expect(told(receiver)).toEqual(all);
  expect((await bed.deliveries()).length).toBe(6);
});

test('a tenant and all below it, the metrics named, the thresholds asked for, and nobody else’s', async () => {
  const bed = await thresholdBed();
  const [own, above, elsewhere, one] = await Promise.all(Array.from({ length: 4 }, () => startReceiver()));
  if (!own || !above || !elsewhere || !one) throw new Error('no receivers');
  const plain = { thresholds: [80], planThresholds: false };
  await bed.subscribe(own.url, { ...plain, tenantId: 'search' });
  await bed.subscribe(above.url, { ...plain, tenantId: 'acme', planThresholds: true });
  await bed.subscribe(elsewhere.url, { ...plain, tenantId: 'other' });
  await bed.subscribe(one.url, { ...plain, tenantId: 'acme', metrics: ['m.other'] });
  await bed.start();
  await bed.say([
    ...[used(bed, 'acme', '800'), used(bed, 'search', '800'), used(bed, 'team', '799.999999999')],
    used(bed, 'team', '8', 'm.other'),
  ]);
  await untilTold(above, 6);
  await untilTold(own, 2);
  await untilTold(one, 1);
  await bed.untilStates({ delivered: 9 });
  expect(told(above)).toEqual([
    ...['acme m.sum 50', 'acme m.sum 80', 'search m.sum 50', 'search m.sum 80'],
    ...['team m.other 80', 'team m.sum 50'],
  ]);
  expect(told(own)).toEqual(['search m.sum 80', 'team m.other 80']);
  expect(told(one)).toEqual(['team m.other 80']);
  expect(elsewhere.received).toEqual([]);
});

test('an override makes another limit, and a new period begins anew', async () => {
  const bed = await thresholdBed();
  const receiver = await startReceiver();
  await bed.subscribe(receiver.url, { thresholds: [100], planThresholds: false, metrics: ['m.sum'] });
  await bed.start();
  await bed.say([used(bed, 'acme', '600')]);
  const body = {
    ...{ id: 'less', tenant: 'acme', metric: 'm.sum', period: 'day', value: '600' },
    ...{ raises: null, reason: 'test', author: 'test' },
  };
  await bed.register([{ kind: 'override', id: 'less', body }]);
  await untilTold(receiver, 1);
  expect(receiver.received[0]?.body).toContain(
    '"limit":{"value":"600","mode":"hard","source":"override:less"}',
  );
  bed.clock.now += 24 * HOUR_MS;
  await bed.say([used(bed, 'acme', '599')]);
  await bed.say([used(bed, 'acme', '601')]);
  await untilTold(receiver, 2);
  expect(told(receiver)).toEqual(['acme m.sum 100', 'acme m.sum 100']);
});

test('what was reached while nothing ran is told after the end of the period', async () => {
  const bed = await thresholdBed();
  const receiver = await startReceiver();
  await bed.subscribe(receiver.url, { thresholds: [50, 100], metrics: ['m.other'] });
  const service = await bed.start();
  await bed.say([used(bed, 'team', '5', 'm.other')]);
  await untilTold(receiver, 1);
  await service.stop();
  const hour = hourOf(bed.clock.now);
  await bed.changeLog.pool.query(
    `INSERT INTO meterhouse.metrics (name, unit, aggregation, scale, family) VALUES ('m.other', 'unit', 'sum', 9, 'test')`,
  );
  const event = { metric: 'm.other', ts: hour + 1, attrs: {} };
  await bed.changeLog.count('s', 0, [
    { ...event, tenantId: 'team', value: '9.999999999', id: 'e1' },
    { ...event, tenantId: 'search', value: '0.000000001', id: 'e2' },
  ]);
  bed.clock.now = hour + HOUR_MS + 1;
  await bed.say([]);
  const next = await bed.start();
  // team reached 50 before; the two above it are told of both for the first time.
  await untilTold(receiver, 5);
  expect(told(receiver)).toEqual([
    ...['acme m.other 100', 'acme m.other 50', 'search m.other 100', 'search m.other 50', 'team m.other 50'],
  ]);
  const finals = receiver.received.slice(1).map(({ body }) => webhookEvent.parse(JSON.parse(body)).data);
  for (const data of finals)
    expect(data).toMatchObject({ final: true, used: '10', periodStart: new Date(hour).toISOString() });
  await next.stop();
});

test('a period is the one of the tenant’s calendar, live and after its end', async () => {
  const bed = await thresholdBed();
  const tokyo = { timeZone: 'Asia/Tokyo', anchorDay: 1 };
  await bed.register([tenant('other', null, tokyo)]);
  const { start, end } = new Periods(tokyo).of('day', bed.clock.now);
  bed.clock.now = end - HOUR_MS + 1;
  const receiver = await startReceiver();
  await bed.subscribe(receiver.url, { tenantId: 'other', thresholds: [100], metrics: ['m.sum'] });
  const service = await bed.start();
  await bed.say([used(bed, 'other', '500', 'm.sum', tokyo)]);
  await untilTold(receiver, 1);
  await service.stop();
  await bed.changeLog.pool.query(
    `INSERT INTO meterhouse.metrics (name, unit, aggregation, scale, family) VALUES ('m.sum', 'unit', 'sum', 9, 'test')`,
  );
  const event = { metric: 'm.sum', tenantId: 'other', attrs: {} };
  await bed.changeLog.count('s', 0, [
    { ...event, ts: start - 1, value: '5000', id: 'before' },
    { ...event, ts: start, value: '600', id: 'first' },
    { ...event, ts: end - 1, value: '400', id: 'last' },
    { ...event, ts: end, value: '7000', id: 'after' },
  ]);
  bed.clock.now = end;
  await bed.say([]);
  await bed.start();
  await untilTold(receiver, 3);
  const ofDay = { periodStart: new Date(start).toISOString(), periodEnd: new Date(end).toISOString() };
  expect(told(receiver)).toEqual(['100', '50', '90'].map((percent) => `other m.sum ${percent}`));
  const [live, ...settled] = receiver.received.map(({ body }) => webhookEvent.parse(JSON.parse(body)).data);
  expect(live).toMatchObject({ ...ofDay, final: false, used: '500' });
  for (const data of settled) expect(data).toMatchObject({ ...ofDay, final: true, used: '1000' });
});

test('a threshold of a total is told once, also when old deliveries were forgotten', async () => {
  const bed = await thresholdBed();
  const receiver = await startReceiver();
  await bed.subscribe(receiver.url, {
    thresholds: [80],
    metrics: ['m.total', 'm.sum'],
    planThresholds: false,
  });
  const first = await bed.start();
  await bed.say([used(bed, 'acme', '80', 'm.total'), used(bed, 'acme', '800')]);
  await untilTold(receiver, 2);
  await bed.untilStates({ delivered: 2 });
  const total = receiver.received.map(({ body }) => webhookEvent.parse(JSON.parse(body)).data);
  expect(total.find((data) => 'metric' in data && data.metric === 'm.total')).toMatchObject({
    ...{ period: 'total', periodStart: null, periodEnd: null, used: '80', final: false },
    limit: { value: '100' },
  });
  await first.stop();
  await bed.changeLog.pool.query(
    `UPDATE meterhouse.webhook_deliveries SET created_at = now() - interval '100 days'`,
  );
  expect(await forgetDeliveries(bed.parts.pool, { keepMs: 90 * DAY_MS, maxRows: 10 })).toBe(1);
  await bed.start();
  await bed.say([used(bed, 'acme', '81', 'm.total')]);
  // Whoever looked at this one has looked at the total before.
  await bed.say([used(bed, 'search', '900')]);
  await bed.untilStates({ delivered: 3 });
  const [again] = (await bed.deliveries()).filter(({ about_tenant }) => about_tenant === 'search');
  expect(again?.event_type).toBe('usage.threshold_reached');
  expect(told(receiver).filter((line) => line.includes('m.total'))).toEqual(['acme m.total 80']);
});

test('a threshold of a total is told again when it is reached after a raise, and not twice for one limit', async () => {
  const bed = await thresholdBed();
  const receiver = await startReceiver();
  await bed.subscribe(receiver.url, { thresholds: [80], metrics: ['m.total', 'm.other'] });
  await bed.start();
  const limit = async (value: string) => {
    const body = {
      ...{ id: 'more', tenant: 'acme', metric: 'm.total', period: 'total', value },
      ...{ raises: { by: 'privileged' }, reason: 'test', author: 'test' },
    };
    await bed.register([{ kind: 'override', id: 'more', body }]);
  };
  /** Whoever looked at this one has looked at the total before. */
  const looked = async (tenantId: string, count: number) => {
    await bed.say([used(bed, tenantId, '9', 'm.other')]);
    await untilTold(receiver, count);
  };
  await bed.say([used(bed, 'acme', '80', 'm.total')]);
  await untilTold(receiver, 1);
  await limit('200');
  await bed.say([used(bed, 'acme', '159', 'm.total')]);
  await looked('acme', 2);
  expect(told(receiver)).toEqual(['acme m.other 80', 'acme m.total 80']);
  await bed.say([used(bed, 'acme', '160', 'm.total')]);
  await untilTold(receiver, 3);
  // Back to what it was, where it was told.
  await limit('100');
  await looked('search', 4);
  await limit('200.000');
  await looked('team', 5);
  const ofTotal = told(receiver).filter((line) => line.includes('m.total'));
  expect(ofTotal).toEqual(['acme m.total 80', 'acme m.total 80']);
  expect(receiver.received.map(({ body }) => body).filter((body) => body.includes('"160"'))).toHaveLength(1);
});

test('while too much waits it is said, and told when there is room', async () => {
  const bed = await thresholdBed();
  const receiver = await startReceiver((response) => {
    response.writeHead(500).end();
  });
  const webhook = await bed.subscribe(receiver.url, { thresholds: [80], planThresholds: false });
  await bed.enqueue(webhook, 2);
  await bed.start({ bounds: { maxWaiting: 2, retryCeilingsMs: [] } });
  await bed.say([used(bed, 'acme', '900')]);
  const isFull = async (): Promise<boolean> => {
    const { rows } = await bed.changeLog.pool.query<{ full: boolean }>(
      'SELECT full_since IS NOT NULL AS full FROM meterhouse.webhook_subscriptions',
    );
    return rows[0]?.full === true;
  };
  await waitFor('it to be full', async () => ((await isFull()) ? true : undefined), {
    deadlineMs: DEADLINE_MS,
  });
  expect((await bed.deliveries()).map(({ event_type }) => event_type)).toEqual([
    'webhook.ping',
    'webhook.ping',
  ]);
  await bed.changeLog.pool.query('DELETE FROM meterhouse.webhook_deliveries');
  await bed.untilStates({ dead: 1 });
  expect((await bed.deliveries())[0]).toMatchObject({ event_type: 'usage.threshold_reached' });
  expect(await isFull()).toBe(false);
});
