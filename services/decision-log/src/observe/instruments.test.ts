/**
 * On a real broker and Postgres. Guarantees:
 * - While Postgres is away the lag grows, /readyz names it, /healthz fails once it has been so for too long,
 *   and all of it heals.
 * - Decisions are counted by outcome and reason, what cannot be read by its reason.
 * - The process exports what the documentation says, and nothing else of ours.
 */
import { createLogger, waitFor } from '@meterhouse/runtime';
import { COMMON_METRICS, Metrics } from '@meterhouse/runtime/metrics';
import { Health, serveHealth } from '@meterhouse/runtime/service';
import { askHealth, scrape } from '@meterhouse/runtime/testing';
import { expect, onTestFinished, test } from 'vitest';
import {
  aRecord,
  DEADLINE_MS,
  decisionBed,
  servicePoolAt,
  type DecisionBed,
} from '../testing/decision-bed.ts';
import { postgresProxy } from '@meterhouse/postgres/proxy-testing';
import { DecisionLogInstruments } from './instruments.ts';
import { DECISION_LOG_METRICS } from './metrics.ts';

/** A log with its metrics port, as main.ts puts them together, with short times. */
async function observed(bed: DecisionBed, postgresUrl: string): Promise<string> {
  const logger = createLogger('test', 'silent');
  const [metrics, health] = [new Metrics(), new Health()];
  health.exportTo(metrics);
  const server = await serveHealth({
    ...{ host: '127.0.0.1', port: 0, metrics, health, logger },
    scrub: String,
  });
  onTestFinished(() => server.close());
  const instruments = new DecisionLogInstruments(metrics);
  const service = await bed.start({ pool: servicePoolAt(postgresUrl), observer: instruments });
  instruments.watch(service, { metrics, health, stuckAfterMs: 500 });
  return server.url;
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  await waitFor(what, async () => ((await holds()) ? true : undefined), { deadlineMs: DEADLINE_MS });
}

test('while Postgres is away the lag grows and is said, /healthz fails in the end, and all of it heals', async () => {
  const bed = await decisionBed();
  const proxy = await postgresProxy(bed.url);
  const url = await observed(bed, proxy.url);
  const partition = { partition: '0' };
  const statusOf = async (path: '/healthz' | '/readyz') => (await askHealth(url, path)).status;
  await bed.send([bed.encode(aRecord())]);
  await bed.untilKept(1);
  await until('it to be ready', async () => (await statusOf('/readyz')) === 200);
  await proxy.shut();
  await bed.send([bed.encode(aRecord()), bed.encode(aRecord({ outcome: 'warn', reason: 'quota_warning' }))]);
  await until('/healthz to fail', async () => (await statusOf('/healthz')) === 503);
  expect((await askHealth(url, '/healthz')).body).toMatchObject({ stuck: [{ part: 'partition 0' }] });
  expect(await askHealth(url, '/readyz')).toMatchObject({
    status: 503,
    body: { parts: [{ part: 'keeping', reason: 'decisions wait for Postgres; nothing is skipped' }] },
  });
  const away = await scrape(url);
  expect(away.value('decision_log_store_away', { store: 'Postgres' })).toBe(1);
  expect(away.value('decision_log_lag_events', partition)).toBe(2);
  expect(away.value('decision_log_lag_seconds', partition)).toBeGreaterThan(0.5);

  await proxy.open();
  await bed.untilKept(3);
  await until('/healthz to heal', async () => (await statusOf('/healthz')) === 200);
  await until(
    'the lag to go',
    async () => (await scrape(url)).value('decision_log_lag_events', partition) === 0,
  );
  const back = await scrape(url);
  expect(back.value('decision_log_store_away', { store: 'Postgres' })).toBe(0);
  expect(back.value('decision_log_kept_total')).toBe(3);
  const decided = (outcome: string, reason: string) =>
    back.value('decision_log_decisions_total', { outcome, reason });
  expect(decided('deny', 'quota_exhausted')).toBe(2);
  expect(decided('warn', 'quota_warning')).toBe(1);
});

test('what cannot be read is counted by its reason, and the process exports what is documented', async () => {
  const bed = await decisionBed();
  const url = await observed(bed, bed.url);
  await bed.send([Buffer.from('hello'), bed.encode(aRecord({ outcome: 'perhaps' }))]);
  await bed.untilToldAll();
  const said = await scrape(url);
  expect(said.value('decision_log_unreadable_total', { reason: 'undecodable' })).toBe(1);
  expect(said.value('decision_log_unreadable_total', { reason: 'invalid_record' })).toBe(1);
  expect(said.value('decision_log_unreadable_total', { reason: 'refused_by_store' })).toBe(0);
  const documented = [...Object.values(DECISION_LOG_METRICS), ...Object.values(COMMON_METRICS)];
  const ours = [...said.names].filter((name) => !/^(process|nodejs)_/.test(name));
  expect(ours.toSorted()).toEqual(documented.map(({ name }) => name).toSorted());
});
