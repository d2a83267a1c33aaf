/**
 * Guarantee, on a broker of the test's own: while Kafka is away the service and its readers live on,
 * say so, and hold a bounded state; when it is back, readers end at the newest usage and nothing older
 * was published over it.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startStack } from '@meterhouse/dev-stack';
import { expect, onTestFinished, test } from 'vitest';
import { snapshotBed, untilUsed } from './testing/snapshot-bed.ts';
import { until } from './testing/until.ts';

test('I6, I10: a broker that is killed and comes back', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'meterhouse-snapshots-'));
  const stack = await startStack({ dataDir, parts: ['kafka'] });
  onTestFinished(async () => {
    await stack.stop();
    await rm(dataDir, { recursive: true, force: true });
  });
  const broker = stack.part('kafka');
  const bed = await snapshotBed({ broker: stack.endpoints.kafka });
  const service = bed.publisher();
  const reader = bed.reader();
  await bed.count('team');
  await bed.complete(bed.clock.now - 1000);
  await untilUsed(reader, 'acme', '1');
  await until('the first as-of', () => reader.status().asOf === bed.clock.now - 1000);

  await broker.kill('SIGKILL');
  for (let i = 0; i < 20; i++) await bed.count('team');
  await bed.complete(bed.clock.now);
  await until('the publisher to notice', () => {
    const status = service.status();
    return status.role === 'leader' && status.error !== null && status.asOf === bed.clock.now;
  });
  // Three tenants, three periods, however much is counted.
  expect(service.status()).toMatchObject({ pendingKeys: 9, publishedThrough: bed.clock.now - 1000 });
  await until('the reader to notice', () => reader.status().error !== null);
  expect(reader.get('acme', 'm.sum', 'hour')).toMatchObject({ used: '1', asOf: bed.clock.now - 1000 });
  const { ageMs } = reader.status();
  await until('the age to rise', () => reader.status().ageMs > ageMs);

  await broker.start();
  await untilUsed(reader, 'acme', '21');
  await until('the next as-of', () => reader.status().asOf === bed.clock.now);
  await until('calm', () => {
    const status = service.status();
    return status.role === 'leader' && status.error === null && reader.status().error === null;
  });
  expect(reader.status().sessions).toBeGreaterThan(1);
  const order = (await bed.log()).map(({ epoch, sequence }) => epoch * 1e9 + sequence);
  expect(order).toEqual(order.toSorted((a, b) => a - b));
}, 180_000);
