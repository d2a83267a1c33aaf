/**
 * Guarantees of what is exported about the outbox:
 * - deliveries that wait, are dead, or have waited beyond their turn are shown as Postgres has them
 * - one that waits on purpose (it is tried again later, its receiver is being spared) is not overdue
 * - webhooks are shown by how they stand
 */
import { readOutboxStanding } from '@meterhouse/postgres/webhooks';
import { waitFor } from '@meterhouse/runtime';
import { Metrics, observe } from '@meterhouse/runtime/metrics';
import { expect, onTestFinished, test } from 'vitest';
import { outboxObservation } from './observe.ts';
import { webhookBed } from './testing/webhook-bed.ts';

const URL = 'https://receiver.example/hook';

test('what waits, what is dead, what is overdue, and how the webhooks stand', async () => {
  const bed = await webhookBed();
  const { parts, changeLog } = bed;
  const slow = await bed.subscribe(URL);
  const spared = await bed.subscribe(URL);
  const ended = await bed.subscribe(URL);
  await bed.enqueue(slow, 3);
  await bed.enqueue(spared, 1);
  await bed.enqueue(ended, 2);
  expect(await readOutboxStanding(parts.pool, 5)).toMatchObject({ pending: 5, dead: 0 });
  const { pool } = changeLog;
  await pool.query(
    `UPDATE meterhouse.webhook_deliveries SET next_attempt_at = now() - interval '1 hour' WHERE subscription_id <> $1`,
    [slow.id],
  );
  await pool.query(
    `UPDATE meterhouse.webhook_subscriptions SET failures = 5, open_until = now() + interval '1 hour' WHERE id = $1`,
    [spared.id],
  );
  await pool.query(
    `UPDATE meterhouse.webhook_deliveries SET next_attempt_at = now() - interval '90 s' WHERE seq = (
       SELECT min(seq) FROM meterhouse.webhook_deliveries WHERE subscription_id = $1)`,
    [slow.id],
  );
  await pool.query(
    `UPDATE meterhouse.webhook_deliveries SET state = 'dead', next_attempt_at = NULL, ended_at = now() WHERE subscription_id = $1`,
    [ended.id],
  );
  await pool.query(
    `UPDATE meterhouse.webhook_subscriptions SET enabled = false, disabled_reason = 'failing', disabled_at = now(), full_since = now() WHERE id = $1`,
    [ended.id],
  );
  const metrics = new Metrics();
  const observations = observe([outboxObservation(parts.pool, { metrics, everyMs: 50 })], {
    metrics,
    logger: parts.logger,
  });
  onTestFinished(() => observations.stop());
  const text = await waitFor(
    'the outbox to be looked at',
    async () => {
      const said = await metrics.text();
      return said.includes('webhook_deliveries_pending') && /^webhook_deliveries_pending \d/m.test(said)
        ? said
        : undefined;
    },
    { deadlineMs: 20_000 },
  );
  expect(text.split('\n')).toEqual(
    expect.arrayContaining([
      'webhook_deliveries_pending 4',
      'webhook_deliveries_dead 2',
      'webhook_webhooks{state="enabled"} 2',
      'webhook_webhooks{state="failing"} 1',
      'webhook_webhooks{state="disabled"} 1',
      'webhook_webhooks{state="full"} 1',
    ]),
  );
  const overdue = Number(/^webhook_delivery_overdue_seconds (.+)$/m.exec(text)?.[1]);
  expect(overdue).toBeGreaterThanOrEqual(90);
  expect(overdue).toBeLessThan(3_600);
});
