/**
 * On a real broker, Postgres and ClickHouse. Guarantees:
 * - A partition with records waiting that does not move fails /healthz, which names it, and it heals.
 * - A halted partition fails /readyz, with the reason, and not /healthz: a restart would not help.
 * - While ClickHouse is away the mirror's lag grows, counting stays ready, and the lag goes when it is back.
 * - A bucket that ClickHouse holds otherwise than Postgres shows as drift, and no longer after a rebuild.
 * - What becomes of each event is counted: by source, outcome and reason, once, also over a rebalance.
 * - The process exports what the documentation says, and nothing else of ours.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClickHouse, type ClickHouse } from '@meterhouse/clickhouse';
import { freshClickHouse } from '@meterhouse/clickhouse/testing';
import { startStack, type Part } from '@meterhouse/dev-stack';
import { CLICKHOUSE_MIRROR, createPool, mirrorComparisonSource, requestResync } from '@meterhouse/postgres';
import { createLogger, waitFor } from '@meterhouse/runtime';
import { COMMON_METRICS, Metrics, OBSERVATION_METRICS } from '@meterhouse/runtime/metrics';
import { Health, serveHealth } from '@meterhouse/runtime/service';
import { askHealth, scrape } from '@meterhouse/runtime/testing';
import { HOUR_MS } from '@meterhouse/usage';
import { expect, onTestFinished, test } from 'vitest';
import type { RunningAggregator } from '../aggregator.ts';
import { startMirror, type Mirror } from '../mirror/mirror.ts';
import { anEvent, testBed, type TestBed } from '../testing.ts';
import { CountingInstruments } from './counting-instruments.ts';
import { AGGREGATOR_METRICS } from './metrics.ts';
import { observeAggregator } from './observe-aggregator.ts';

const DEADLINE = { deadlineMs: 30_000 };
/** Nobody is asked there while another mirrors. */
const NOWHERE = createClickHouse('http://127.0.0.1:1', 'nowhere');
const STANDBY = { status: () => ({ role: 'standby' }) as const };
const logger = createLogger('test', process.env['LOG_LEVEL'] ?? 'silent');

interface Mirrored {
  readonly mirror: Pick<Mirror, 'status'>;
  readonly clickhouse: ClickHouse;
}

interface Observed {
  readonly url: string;
  readonly aggregator: RunningAggregator;
}

/** A worker with its metrics port, as main.ts puts them together, with short times. */
async function observed(
  bed: TestBed,
  { mirror, clickhouse }: Mirrored = { mirror: STANDBY, clickhouse: NOWHERE },
): Promise<Observed> {
  const metrics = new Metrics();
  const health = new Health();
  health.exportTo(metrics);
  const server = await serveHealth({ host: '127.0.0.1', port: 0, metrics, health, logger, scrub: String });
  onTestFinished(() => server.close());
  const aggregator = await bed.start({ observer: new CountingInstruments(metrics) });
  const pool = createPool({
    url: bed.databaseUrl,
    role: 'meterhouse_aggregator',
    applicationName: 'observe',
    max: 2,
  });
  const everyMs = 50;
  const observations = observeAggregator({
    ...{ aggregator, mirror, clickhouse, pool, topic: bed.topic, metrics, health, logger },
    bounds: { maxBufferedBytes: 1, maxChangeLogRows: 1_000 },
    stuckAfterMs: 500,
    now: Date.now,
    times: {
      progressEveryMs: everyMs,
      tailersEveryMs: everyMs,
      quarantineEveryMs: everyMs,
      attributesEveryMs: everyMs,
      comparisonEveryMs: everyMs,
    },
  });
  onTestFinished(async () => {
    await observations.stop();
    await pool.end();
  });
  return { url: server.url, aggregator };
}

/** Waits until the port says so. */
async function untilValue(
  url: string,
  name: string,
  labels: Readonly<Record<string, string>>,
  holds: (value: number) => boolean,
): Promise<void> {
  let last: number | undefined;
  const said = async (): Promise<true | undefined> => {
    last = (await scrape(url)).value(name, labels);
    return last !== undefined && holds(last) ? true : undefined;
  };
  await waitFor(`${name} ${JSON.stringify(labels)}`, said, DEADLINE).catch((error: unknown) => {
    throw new Error(`last seen: ${last}`, { cause: error });
  });
}

async function untilStatus(url: string, path: '/healthz' | '/readyz', status: number): Promise<unknown> {
  return waitFor(
    `${path} to answer ${status}`,
    async () => {
      const answer = await askHealth(url, path);
      return answer.status === status ? (answer.body ?? null) : undefined;
    },
    DEADLINE,
  );
}

test('a partition with records waiting that does not move fails /healthz, which names it, and heals', async () => {
  const bed = await testBed({ partitions: 2 });
  const { url } = await observed(bed);
  await bed.send([bed.encode(anEvent())], 0);
  await bed.send([bed.encode(anEvent())], 1);
  await bed.counted();
  await untilStatus(url, '/readyz', 200);
  const blocker = await bed.pool.connect();
  await blocker.query('BEGIN');
  await blocker.query('SELECT FROM meterhouse.progress WHERE partition = 1 FOR UPDATE');
  await bed.send([bed.encode(anEvent())], 0);
  await bed.send([bed.encode(anEvent()), bed.encode(anEvent())], 1);
  expect(await untilStatus(url, '/healthz', 503)).toMatchObject({
    alive: false,
    stuck: [{ part: 'partition 1', reason: matching(/records wait .* stands at offset 1/) }],
  });
  await untilValue(url, 'usage_aggregator_lag_events', { partition: '1' }, (value) => value === 2);
  await untilValue(url, 'usage_aggregator_lag_events', { partition: '0' }, (value) => value === 0);
  await untilValue(url, 'usage_aggregator_lag_seconds', {}, (value) => value > 0.5);
  await untilValue(url, 'meterhouse_stuck_parts', {}, (value) => value === 1);
  await blocker.query('ROLLBACK');
  blocker.release();
  expect(await untilStatus(url, '/healthz', 200)).toEqual({ alive: true, stuck: [] });
  await bed.counted();
  await untilValue(url, 'usage_aggregator_lag_events', { partition: '1' }, (value) => value === 0);
});

test('a halted partition fails /readyz with its reason, and not /healthz', async () => {
  const bed = await testBed({ partitions: 1 });
  await bed.send([anEvent(), anEvent()].map(bed.encode));
  const { url } = await observed(bed);
  await bed.counted();
  await bed.pool.query(`UPDATE meterhouse.progress SET halted_reason = 'the log is gone' WHERE source = $1`, [
    bed.topic,
  ]);
  await bed.send([bed.encode(anEvent())]);
  expect(await untilStatus(url, '/readyz', 503)).toMatchObject({
    ready: false,
    parts: [
      { part: 'mirror', ready: true },
      { part: 'counting', ready: false, reason: matching(/partition 0: the log is gone/) },
    ],
  });
  await untilValue(url, 'usage_aggregator_partition_halted', { partition: '0' }, (value) => value === 1);
  await untilValue(url, 'usage_aggregator_lag_events', { partition: '0' }, (value) => value === 1);
  await untilValue(
    url,
    'usage_aggregator_processed_through_age_seconds',
    { partition: '0' },
    (age) => age > 1,
  );
  expect((await askHealth(url, '/healthz')).status).toBe(200);
});

test('while ClickHouse is away the mirror’s lag grows, counting stays ready, and the lag goes with its return', async () => {
  const bed = await testBed({ partitions: 1 });
  const { part, clickhouse } = await ownClickHouse();
  const mirror = mirrored(bed, clickhouse);
  const { url } = await observed(bed, { mirror, clickhouse });
  const tailer = { tailer: 'clickhouse_mirror' };
  await bed.send([bed.encode(anEvent())]);
  await bed.counted();
  const comparison = mirrorComparisonSource(bed.pool);
  expect(await comparison.mirrorCaughtUp(DEADLINE.deadlineMs, new AbortController().signal)).toBe(true);
  await untilValue(url, 'usage_mirror_active', {}, (active) => active === 1);

  await part.kill('SIGKILL');
  for (let flush = 0; flush < 3; flush++) {
    await bed.send([bed.encode(anEvent({ metric: 'bytes', attrs: { model: String(flush) } }))]);
    await bed.counted();
  }
  await untilValue(url, 'usage_tailer_lag_rows', tailer, (rows) => rows === 3);
  await untilValue(url, 'usage_tailer_lag_seconds', tailer, (seconds) => seconds > 1);
  await untilValue(url, 'usage_mirror_failing', {}, (failing) => failing === 1);
  await untilValue(url, 'usage_metric_attribute_sets', { metric: 'bytes' }, (sets) => sets === 3);
  const { status, body } = await askHealth(url, '/readyz');
  expect({ status, body }).toMatchObject({
    status: 200,
    body: {
      parts: [
        { part: 'mirror', ready: false },
        { part: 'counting', ready: true },
      ],
    },
  });
  expect((await askHealth(url, '/healthz')).status).toBe(200);

  await part.start();
  await untilValue(url, 'usage_tailer_lag_rows', tailer, (rows) => rows === 0);
  await untilValue(url, 'usage_mirror_failing', {}, (failing) => failing === 0);
});

test('a bucket that ClickHouse holds otherwise than Postgres is drift, until the mirror is made again', async () => {
  const bed = await testBed({ partitions: 1 });
  const clickhouse = await freshClickHouse();
  const { url } = await observed(bed, { mirror: mirrored(bed, clickhouse), clickhouse });
  const old = anEvent({ metric: 'bytes', ts: Date.now() - 72 * HOUR_MS });
  await bed.send([bed.encode(anEvent()), bed.encode(old)]);
  await bed.counted();
  await untilValue(url, 'usage_mirror_compared_buckets', {}, (buckets) => buckets === 1);
  await untilValue(url, 'usage_mirror_drift_buckets', {}, (buckets) => buckets === 0);
  await clickhouse.client.command({
    query: `INSERT INTO usage_hourly_revisions
            SELECT tenant_id, metric, hour, attrs_key, attrs, sum + 1, count, min, max, latest, latest_ts, latest_id, revision + 1000
            FROM usage_hourly`,
  });
  await untilValue(url, 'usage_mirror_drift_buckets', {}, (buckets) => buckets === 1);
  await requestResync(bed.pool, CLICKHOUSE_MIRROR);
  await untilValue(url, 'usage_mirror_drift_buckets', {}, (buckets) => buckets === 0);
  expect((await scrape(url)).value('usage_mirror_resyncs')).toBeGreaterThan(0);
});

test('what becomes of each event is counted by source, outcome and reason', async () => {
  const bed = await testBed({ partitions: 1 });
  const { url, aggregator } = await observed(bed);
  const now = Date.now();
  const good = anEvent({ source: 'billing', ts: now - 2 * HOUR_MS });
  await bed.send([
    bed.encode(good),
    bed.encode(good),
    bed.encode(anEvent({ source: 'billing', tenantId: 'nobody', ts: now })),
    Buffer.from('garbage'),
  ]);
  await bed.counted();
  await bed.send([bed.encode(good)]);
  await bed.counted();
  const events = (source: string, outcome: string) => ['usage_events_total', { source, outcome }] as const;
  await untilValue(url, ...events('billing', 'duplicate'), (count) => count === 2);
  const said = await scrape(url);
  expect(said.value(...events('billing', 'counted'))).toBe(1);
  expect(said.value(...events('billing', 'quarantined'))).toBe(1);
  expect(said.value(...events('unknown', 'quarantined'))).toBe(1);
  expect(said.value('usage_events_quarantined_total', { reason: 'unknown_tenant' })).toBe(1);
  expect(said.value('usage_events_quarantined_total', { reason: 'undecodable' })).toBe(1);
  expect(said.value('usage_events_quarantined_total', { reason: 'too_old' })).toBe(0);
  expect(said.value('usage_events_late_total', { source: 'billing' })).toBe(3);
  expect(said.value('usage_event_lateness_seconds_bucket', { le: '3600', source: 'billing' })).toBe(1);
  expect(said.value('usage_event_lateness_seconds_count', { source: 'billing' })).toBe(4);
  expect(said.value('usage_aggregator_flush_events_sum')).toBe(5);
  expect(said.value('usage_aggregator_rebalances_total')).toBeGreaterThan(0);
  const seen = said.value('usage_source_last_seen_timestamp_seconds', { source: 'billing' }) ?? 0;
  expect(Math.abs(seen - now / 1_000)).toBeLessThan(60);
  await untilValue(url, 'usage_quarantine_open_events', { reason: 'unknown_tenant' }, (open) => open === 1);

  await bed.pool.query(`UPDATE meterhouse.quarantine SET status = 'replay_requested'`);
  await untilValue(url, 'usage_quarantine_replayed_total', { outcome: 'still_refused' }, (n) => n === 2);
  expect((await scrape(url)).value(...events('billing', 'quarantined'))).toBe(1);
  await aggregator.stop();
});

test('the process exports what the documentation says, and nothing else of ours', async () => {
  const bed = await testBed({ partitions: 1 });
  const { url } = await observed(bed);
  const documented = [
    ...AGGREGATOR_METRICS,
    ...Object.values({ ...OBSERVATION_METRICS, ...COMMON_METRICS }),
  ].map(({ name }) => name);
  const ours = [...(await scrape(url)).names].filter((name) => !/^(process|nodejs)_/.test(name));
  expect(ours.toSorted()).toEqual(documented.toSorted());
});

function mirrored(bed: TestBed, clickhouse: ClickHouse): Mirror {
  const pool = createPool({ url: bed.databaseUrl, role: 'meterhouse_aggregator', applicationName: 'mirror' });
  const mirror = startMirror({
    ...{ pool, clickhouse, logger },
    now: Date.now,
    random: () => 0.1,
    unique: randomUUID,
    times: { standbyMs: 50, pollMs: 50, minIntervalMs: 0 },
  });
  onTestFinished(async () => {
    await mirror.stop();
    await pool.end();
  });
  return mirror;
}

/** vitest calls its matchers "any". */
function matching(pattern: RegExp): unknown {
  return expect.stringMatching(pattern);
}

/** A ClickHouse of the test's own, to be killed. */
async function ownClickHouse(): Promise<{ part: Part; clickhouse: ClickHouse }> {
  const dataDir = await mkdtemp(join(tmpdir(), 'meterhouse-observe-'));
  const stack = await startStack({ dataDir, parts: ['clickhouse'] });
  const clickhouse = createClickHouse(stack.endpoints.clickhouse, 'meterhouse', { requestTimeoutMs: 1_000 });
  onTestFinished(async () => {
    await clickhouse.close();
    await stack.stop();
    await rm(dataDir, { recursive: true, force: true });
  });
  return { part: stack.part('clickhouse'), clickhouse };
}
