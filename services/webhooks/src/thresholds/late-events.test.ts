/**
 * Guarantees, on a real Postgres, broker and receiver:
 * - Events that come after their period was looked at reach its thresholds all the same: told once, marked as
 *   late, with all that was used; for whoever asked before the period's end, and for the tenants above as well.
 * - That holds for what comes while nothing runs, and for what comes within the grace in which nothing counts
 *   as late.
 */
import { waitFor } from '@meterhouse/runtime';
import { GRACE_MS, HOUR_MS, hourOf } from '@meterhouse/usage';
import { webhookEvent } from '@meterhouse/webhooks';
import { expect, test } from 'vitest';
import { startReceiver, type Receiver } from '../testing/receiver.ts';
import { serviceBed, type ServiceBed } from '../testing/service-bed.ts';
import { DEADLINE_MS } from '../testing/webhook-bed.ts';

const tenant = (id: string, parent: string | null) => ({
  kind: 'tenant',
  id,
  body: { id, name: id, parent, class: 'external', plan: 'pro', status: 'active' },
});

async function lateBed(): Promise<ServiceBed> {
  const bed = await serviceBed();
  const limits = [{ metric: 'm.sum', period: 'hour', value: '100' }];
  await bed.register([
    { kind: 'plan', id: 'pro', body: { id: 'pro', name: 'Pro', limits } },
    {
      kind: 'metric',
      id: 'm.sum',
      body: { name: 'm.sum', unit: 'unit', aggregation: 'sum', scale: 9, family: 'test', groupBy: [] },
    },
    ...[tenant('acme', null), tenant('search', 'acme'), tenant('team', 'search'), tenant('other', null)],
  ]);
  await bed.changeLog.pool.query(
    `INSERT INTO meterhouse.metrics (name, unit, aggregation, scale, family) VALUES ('m.sum', 'unit', 'sum', 9, 'test')`,
  );
  return bed;
}

/** `tenant percent used final late`, in order. */
function told({ received }: Receiver): string[] {
  return received
    .map(({ body }) => webhookEvent.parse(JSON.parse(body)).data)
    .map((data) =>
      'thresholdPercent' in data
        ? [data.tenantId, data.thresholdPercent, data.used, data.final, data.late].join(' ')
        : '?',
    )
    .sort();
}

const untilTold = (receiver: Receiver, count: number): Promise<true> =>
  waitFor(`${count} messages`, () => (receiver.received.length >= count ? true : undefined), {
    deadlineMs: DEADLINE_MS,
  });

/** Resolves once periods that end by then were looked at. */
async function untilSettled(bed: ServiceBed, through: number): Promise<void> {
  const settled = async (): Promise<true | undefined> => {
    const { rows } = await bed.changeLog.pool.query<{ at: Date }>(
      'SELECT settled_through AS at FROM meterhouse.webhook_periods',
    );
    return (rows[0]?.at.getTime() ?? 0) >= through ? true : undefined;
  };
  await waitFor('the periods to be settled', settled, { deadlineMs: DEADLINE_MS });
}

const plain = { thresholds: [80, 100], planThresholds: false };
const bounds = { lateMs: 0 };

test('what comes late is told once, marked, up the lineage, also after a restart', async () => {
  const bed = await lateBed();
  const receiver = await startReceiver();
  await bed.subscribe(receiver.url, plain);
  const service = await bed.start({ bounds });
  const hour = hourOf(bed.clock.now);
  const event = { metric: 'm.sum', tenantId: 'team', attrs: {} };
  await bed.changeLog.count('s', 0, [{ ...event, ts: hour, value: '79', id: 'in-time' }]);
  bed.clock.now = hour + HOUR_MS + GRACE_MS;
  await bed.say([]);
  await untilSettled(bed, hour + HOUR_MS);
  expect(receiver.received).toEqual([]);
  await bed.changeLog.count('s', 0, [{ ...event, ts: hour, value: '1', id: 'late', isLate: true }]);
  await untilTold(receiver, 3);
  const at80 = ['acme', 'search', 'team'].map((id) => `${id} 80 80 true true`);
  expect(told(receiver)).toEqual(at80);
  await service.stop();
  await bed.changeLog.count('s', 0, [{ ...event, ts: hour + 1, value: '20', id: 'away', isLate: true }]);
  await bed.start({ bounds });
  await untilTold(receiver, 6);
  const at100 = ['acme', 'search', 'team'].map((id) => `${id} 100 100 true true`);
  expect(told(receiver)).toEqual([...at80, ...at100].sort());
  expect(await bed.deliveries()).toHaveLength(6);
});

test('what comes within the grace after the period was looked at is told too', async () => {
  const bed = await lateBed();
  const receiver = await startReceiver();
  await bed.subscribe(receiver.url, { ...plain, tenantId: 'team' });
  await bed.start({ bounds });
  const hour = hourOf(bed.clock.now);
  const event = { metric: 'm.sum', tenantId: 'team', attrs: {} };
  bed.clock.now = hour + HOUR_MS;
  await bed.say([]);
  await untilSettled(bed, hour + HOUR_MS);
  await bed.changeLog.count('s', 0, [{ ...event, ts: hour, value: '80', id: 'a-bit-late' }]);
  bed.clock.now += GRACE_MS;
  await bed.say([]);
  await untilTold(receiver, 1);
  expect(told(receiver)).toEqual(['team 80 80 true true']);
});
