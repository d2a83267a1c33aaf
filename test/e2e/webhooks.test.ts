/**
 * Guarantee, on the whole pipeline with every service in a process of its own: usage that crosses a threshold
 * (events through the broker, the aggregator, the snapshots and their topic) is told to a webhook that was made
 * over HTTP, once for each threshold, and the receiver verifies it as Standard Webhooks says: by the library,
 * and by the algorithm itself; a body that was changed by one byte does not verify.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { Releases, waitFor } from '@meterhouse/runtime';
import { afterAll, expect, test } from 'vitest';
import { z } from 'zod';
import { commandBed } from '../../packages/cli/src/testing.ts';
import { startReceiver, verified } from '../../services/webhooks/src/testing/receiver.ts';
import { DEADLINE, DecidingBed } from './deciding-bed.testing.ts';

const REGISTRY = `
tenants:
  - { id: org, name: Org, plan: pro }
  - { id: team, name: Team, parent: org }
metrics:
  - { name: tokens, unit: token, aggregation: sum, scale: 0, family: token_request }
plans:
  - { id: pro, name: Pro, limits: [{ metric: tokens, period: month, value: '100' }] }
`;

const bed = await commandBed({
  WEBHOOK_SECRET_KEY: randomBytes(32).toString('base64'),
  WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8',
});
const releases = new Releases();
afterAll(() => releases.releaseAll());

test('usage that crosses 80 % is delivered once, signed', async () => {
  await bed.json(['apply', '-f', await bed.file('registry.yaml', REGISTRY)]);
  await bed.startAggregator();
  const api = await bed.startApi();
  const { key } = z
    .object({ key: z.string() })
    .parse(
      await bed.json([
        ...['keys', 'create', '--name', 'e2e', '--role', 'tenant_admin', '--tenant', 'org', '--by', 'test'],
      ]),
    );
  const receiver = await startReceiver();
  const made = await fetch(`${api}/v1/webhooks`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ url: receiver.url, events: ['usage.threshold_reached'], thresholds: [80, 100] }),
  });
  const text = await made.text();
  expect(made.status, text).toBe(201);
  const { secret } = z.object({ secret: z.string() }).parse(JSON.parse(text));
  bed.startService('webhooks', { WEBHOOK_GROUP: `webhooks_${bed.topic}`, METRICS_PORT: '0' });

  const meter = new DecidingBed(bed, releases).openMeter();
  const used = { tenantId: 'team', metric: 'tokens', unit: 'token' };
  await meter.record({ ...used, value: '79' });
  await meter.record({ ...used, value: '1' });
  const arrived = (count: number) =>
    waitFor(`${count} messages`, () => receiver.received[count - 1], DEADLINE);
  const first = await arrived(1);
  expect(verified(first, secret)).toMatchObject({
    type: 'usage.threshold_reached',
    data: {
      ...{ tenantId: 'org', metric: 'tokens', unit: 'token', period: 'month', used: '80' },
      ...{ thresholdPercent: 80, final: false, late: false },
      limit: { value: '100', mode: 'hard', source: 'plan:pro' },
    },
  });
  const signed = `${first.headers['webhook-id'] ?? ''}.${first.headers['webhook-timestamp'] ?? ''}.${first.body}`;
  const mac = createHmac('sha256', Buffer.from(secret.replace('whsec_', ''), 'base64')).update(signed);
  expect(first.headers['webhook-signature']).toBe(`v1,${mac.digest('base64')}`);
  expect(() => verified({ ...first, body: first.body.replace('"80"', '"81"') }, secret)).toThrow(
    'No matching signature',
  );

  // The next threshold comes, and the first one not again.
  await meter.record({ ...used, value: '25' });
  expect(verified(await arrived(2), secret)).toMatchObject({ data: { thresholdPercent: 100, used: '105' } });
  expect(receiver.received).toHaveLength(2);
}, 240_000);
