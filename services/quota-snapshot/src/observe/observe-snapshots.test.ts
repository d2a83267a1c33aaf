/**
 * On a broker of the test's own and a real Postgres. Guarantees:
 * - While Kafka is away the snapshots' age grows, /readyz says why, /healthz fails once nothing has been
 *   published for too long, and all of it heals.
 * - Whoever stands by is ready, and exports no age.
 * - The process exports what the documentation says, and nothing else of ours.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startStack } from '@meterhouse/dev-stack';
import { createLogger, waitFor } from '@meterhouse/runtime';
import { COMMON_METRICS, Metrics } from '@meterhouse/runtime/metrics';
import { Health, serveHealth } from '@meterhouse/runtime/service';
import { askHealth, scrape } from '@meterhouse/runtime/testing';
import { expect, onTestFinished, test } from 'vitest';
import { snapshotBed, type SnapshotBed } from '../testing/snapshot-bed.ts';
import { SNAPSHOT_METRICS } from './metrics.ts';
import { observeSnapshots, snapshotInstruments } from './observe-snapshots.ts';

const STUCK_AFTER_MS = 4_000;

/** A publisher with its metrics port, as main.ts puts them together. */
async function observed(bed: SnapshotBed): Promise<string> {
  const logger = createLogger('test', 'silent');
  const [metrics, health] = [new Metrics(), new Health()];
  health.exportTo(metrics);
  const server = await serveHealth({
    ...{ host: '127.0.0.1', port: 0, metrics, health, logger },
    scrub: String,
  });
  onTestFinished(() => server.close());
  const service = bed.publisher({ observer: snapshotInstruments(metrics) });
  const now = (): number => bed.clock.now;
  observeSnapshots({ service, maxBuckets: 1_000, stuckAfterMs: STUCK_AFTER_MS, metrics, health, now });
  return server.url;
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  await waitFor(what, async () => ((await holds()) ? true : undefined), { deadlineMs: 60_000 });
}

test('while Kafka is away the age grows, /readyz says why, /healthz fails in the end, and all of it heals', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'meterhouse-snapshots-'));
  const stack = await startStack({ dataDir, parts: ['kafka'] });
  onTestFinished(async () => {
    await stack.stop();
    await rm(dataDir, { recursive: true, force: true });
  });
  const bed = await snapshotBed({ broker: stack.endpoints.kafka });
  const url = await observed(bed);
  const value = async (name: string, labels = {}) => (await scrape(url)).value(name, labels);
  await bed.count('team');
  await bed.complete(bed.clock.now);
  await until('it to be published', async () => (await value('usage_snapshot_published_keys')) === 9);
  await until('it to be fresh', async () => (await value('usage_snapshot_age_seconds')) === 0);
  expect(await value('usage_snapshot_messages_total', { kind: 'usage' })).toBe(9);
  await until('it to be ready', async () => (await askHealth(url, '/readyz')).status === 200);

  await stack.part('kafka').kill('SIGKILL');
  await bed.count('team');
  bed.clock.now += 30_000;
  await bed.complete(bed.clock.now);
  await until('it to fail', async () => (await value('usage_snapshot_failing')) === 1);
  expect(await value('usage_snapshot_age_seconds')).toBe(30);
  expect(await askHealth(url, '/readyz')).toMatchObject({
    status: 503,
    body: { parts: [{ part: 'publishing' }] },
  });
  await until('/healthz to fail', async () => (await askHealth(url, '/healthz')).status === 503);
  expect((await askHealth(url, '/healthz')).body).toMatchObject({ stuck: [{ part: 'publishing' }] });
  expect(await value('usage_snapshot_publish_failures_total')).toBeGreaterThan(0);

  await stack.part('kafka').start();
  await until('it to be fresh', async () => (await value('usage_snapshot_age_seconds')) === 0);
  await until('/healthz to heal', async () => (await askHealth(url, '/healthz')).status === 200);
  expect(await value('usage_snapshot_failing')).toBe(0);
}, 240_000);

test('whoever stands by is ready and exports no age; what is exported is documented', async () => {
  const bed = await snapshotBed();
  const leader = await observed(bed);
  await until('one to lead', async () => (await scrape(leader)).value('usage_snapshot_leader') === 1);
  const standby = await observed(bed);
  expect((await askHealth(standby, '/readyz')).status).toBe(200);
  const said = await scrape(standby);
  expect(said.value('usage_snapshot_leader')).toBe(0);
  expect(said.value('usage_snapshot_age_seconds')).toBeUndefined();
  const documented = [...Object.values(SNAPSHOT_METRICS), ...Object.values(COMMON_METRICS)];
  const ours = [...said.names].filter((name) => !/^(process|nodejs)_/.test(name));
  expect(ours.toSorted()).toEqual(documented.map(({ name }) => name).toSorted());
});
