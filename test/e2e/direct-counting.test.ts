/**
 * Guarantees of counting without Kafka, with four services in processes of their own that send overlapping sets
 * of events, are killed at any moment and started again, and whose sessions Postgres ends; beside them the
 * real mirror and the real snapshots follow:
 *  - I1, I2: what was acknowledged is counted, or in quarantine, whatever was killed; each event once
 *  - I4: of each event there is one, also in a bucket that all of them write
 *  - I5: ClickHouse ends with the same buckets, and the snapshots with the same usage
 *  - `reconcile` proves it, says how much was counted directly, and finds an event too many
 * The run is bounded by what was acknowledged, not by time.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { bareEnvironment } from '@meterhouse/dev-stack';
import { pino } from 'pino';
import { afterAll, expect, test } from 'vitest';
import { createKafka, createRegistry } from '@meterhouse/kafka';
import { readSnapshots } from '@meterhouse/quota/reader';
import { Releases, waitFor } from '@meterhouse/runtime';
import { formatDecimal } from '@meterhouse/usage';
import { anEvent } from '@meterhouse/usage/testing';
import { commandBed } from '../../packages/cli/src/testing.ts';
import { DecidingBed } from './deciding-bed.testing.ts';
import { amountOf, EVENTS, kindOf, REGISTRY, TENANTS, tenantOf, type Kind } from './direct-events.testing.ts';

const PROCESSES = 4;
const STRIKES = 12;
/** Acknowledgements between two strikes. */
const BETWEEN = 60;
const VIA_KAFKA = 5;
const DEADLINE = { deadlineMs: 240_000 };
const SCRIPT = fileURLToPath(new URL('direct-meter-process.testing.ts', import.meta.url));
const TS = Date.now();

const bed = await commandBed();
const releases = new Releases();
afterAll(() => releases.releaseAll());
await bed.json(['apply', '-f', await bed.file('registry.yaml', REGISTRY)]);
await bed.startAggregator();
new DecidingBed(bed, releases).startSnapshots();

const acknowledged = new Set<number>();
let answers = 0;

function startSender(until: 'once' | 'forever'): ChildProcess {
  const child = spawn(process.execPath, [SCRIPT, bed.env['DATABASE_URL'] ?? '', `${TS}`, until], {
    env: bareEnvironment(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    acknowledged.add(Number(line));
    answers += 1;
  });
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  expect(child.exitCode).toBeNull();
  // What it has printed is read before it counts as gone.
  const gone = once(child, 'close');
  child.kill('SIGKILL');
  await gone;
}

const numbers = (kind: Kind): number[] =>
  Array.from({ length: EVENTS }, (_, n) => n).filter((n) => kindOf(n) === kind);

async function singles(): Promise<Map<number, string>> {
  const { rows } = await bed.pool.query<{ n: string; sum: string; count: string }>(
    `SELECT attrs->>'n' AS n, trim_scale(sum)::text AS sum, count FROM meterhouse.usage_hourly WHERE metric = 'single'`,
  );
  // Two hours, or two counts, would be two of one event.
  expect(rows.filter(({ count }) => count !== '1')).toEqual([]);
  expect(new Set(rows.map(({ n }) => n)).size).toBe(rows.length);
  return new Map(rows.map(({ n, sum }) => [Number(n), sum]));
}

async function quarantined(): Promise<string[]> {
  const { rows } = await bed.pool.query<{ id: string; reason: string }>(
    `SELECT event_id AS id, reason FROM meterhouse.quarantine WHERE source = 'direct' AND status = 'waiting'`,
  );
  return rows.map(({ id, reason }) => `${id} ${reason}`);
}

async function sharedUsage(): Promise<Map<string, { sum: string; count: number }>> {
  const { rows } = await bed.pool.query<{ tenant: string; sum: string; count: number }>(
    `SELECT tenant_id AS tenant, trim_scale(sum(sum))::text AS sum, sum(count)::integer AS count
     FROM meterhouse.usage_hourly WHERE metric = 'shared' GROUP BY 1`,
  );
  return new Map(rows.map(({ tenant, ...usage }) => [tenant, usage]));
}

const inQuarantine = (n: number): string => `event-${n} ${kindOf(n)}`;

test(
  'I1, I2: killed at any moment, what was acknowledged is counted once',
  { timeout: 560_000 },
  async () => {
    // So that one bucket has come both ways.
    const viaKafka = Array.from({ length: VIA_KAFKA }, () =>
      anEvent({ tenantId: 't0', metric: 'shared' }, { ts: TS, value: '1000000' }),
    );
    await bed.send(viaKafka.map(bed.encode));
    const senders = Array.from({ length: PROCESSES }, () => startSender('forever'));
    releases.add('the senders', async () => {
      for (const child of senders)
        if (child.exitCode === null && child.signalCode === null) await kill(child);
    });
    for (let strike = 0; strike < STRIKES; strike++) {
      const before = answers;
      const enough = BETWEEN + randomInt(BETWEEN);
      await waitFor('acknowledgements', () => (answers - before >= enough ? true : undefined), {
        ...DEADLINE,
        everyMs: 5,
      });
      if (strike % 3 === 2)
        await bed.pool.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name LIKE 'meterhouse-producer-%'`,
        );
      else {
        const victim = randomInt(PROCESSES);
        const child = senders[victim];
        if (child !== undefined) await kill(child);
        senders[victim] = startSender('forever');
      }
    }
    await Promise.all(senders.splice(0).map(kill));
    const found = await singles();
    const waiting = new Set(await quarantined());
    const lost = [...acknowledged].filter((n) => {
      const kind = kindOf(n);
      if (kind === 'single') return !found.has(n);
      return kind === 'shared' ? false : !waiting.has(inQuarantine(n));
    });
    expect(lost).toEqual([]);
    const shared = await sharedUsage();
    for (const tenant of TENANTS) {
      const sent = [...acknowledged].filter((n) => kindOf(n) === 'shared' && tenantOf(n) === tenant).length;
      expect(shared.get(tenant)?.count).toBeGreaterThanOrEqual(sent);
    }
    expect(acknowledged.size).toBeGreaterThan(BETWEEN);
    process.stderr.write(
      `direct: ${STRIKES} strikes, ${answers} acknowledgements of ${acknowledged.size} events, ${lost.length} lost\n`,
    );
  },
);

test('I1, I4: with all of them sent again, every bucket is exact and the quarantine right', async () => {
  const last = startSender('once');
  expect(((await once(last, 'close')) as [number | null])[0]).toBe(0);
  expect(acknowledged.size).toBe(EVENTS);
  expect(await singles()).toEqual(new Map(numbers('single').map((n) => [n, formatDecimal(amountOf(n))])));
  const bad = [...numbers('unknown_tenant'), ...numbers('invalid_value')];
  expect((await quarantined()).sort()).toEqual(bad.map(inQuarantine).sort());
  const expected = TENANTS.map((tenant) => {
    const own = numbers('shared').filter((n) => tenantOf(n) === tenant);
    const kafka = tenant === 't0' ? VIA_KAFKA : 0;
    const sum = own.reduce((all, n) => all + amountOf(n), BigInt(kafka) * 1_000_000n * 1_000_000_000n);
    return [tenant, { sum: formatDecimal(sum), count: own.length + kafka }] as const;
  });
  await waitFor(
    'what went through Kafka',
    async () => ((await sharedUsage()).get('t0')?.count === expected[0]?.[1].count ? true : undefined),
    DEADLINE,
  );
  expect(await sharedUsage()).toEqual(new Map(expected));
}, 300_000);

test('I5: ClickHouse and the snapshots end as Postgres does', async () => {
  const reader = readSnapshots({
    kafka: createKafka({
      brokers: [bed.env['KAFKA_BROKERS'] ?? ''],
      clientId: 'test',
      logger: pino({ level: 'silent' }),
    }),
    registry: createRegistry(bed.env['SCHEMA_REGISTRY_URL'] ?? ''),
    topic: bed.env['USAGE_SNAPSHOTS_TOPIC'] ?? '',
    logger: pino({ level: 'silent' }),
  });
  releases.add('a reader', () => reader.close());
  await reader.ready(DEADLINE);
  const usage = await sharedUsage();
  const published = (tenant: string): string | null => {
    const reading = reader.get(tenant, 'shared', 'month');
    return reading.state === 'known' ? reading.used : null;
  };
  for (const [tenant, { sum }] of usage)
    await waitFor(`${tenant}'s snapshot`, () => (published(tenant) === sum ? true : undefined), DEADLINE);
  const asOf = reader.status().asOf ?? 0;
  expect(asOf).toBeGreaterThan(TS);
  expect(await bed.json(['reconcile'])).toMatchObject({ verdict: 'equal', mirror: { different: 0 } });
}, 300_000);

test('reconcile says how much was counted directly, and finds an event too many', async () => {
  const direct = numbers('single').length + numbers('shared').length;
  const text = await bed.run('reconcile');
  expect([text.exitCode, text.stdout]).toEqual([0, text.stdout]);
  const buckets = numbers('single').length + TENANTS.length;
  expect(text.stdout.replaceAll(',', '')).toContain(
    `${direct} events in ${buckets} buckets were counted directly and need not be in Kafka`,
  );
  const change = (by: string): string =>
    `UPDATE meterhouse.usage_hourly SET count = count ${by} WHERE metric = 'single' AND attrs = '{"n":"2"}'`;
  await bed.pool.query(change('+ 1'));
  expect(await bed.json(['reconcile', '--no-clickhouse'], 1)).toMatchObject({
    problems: ['buckets_differ'],
    buckets: { different: 1, directEvents: direct.toString(), listed: [{ attrs: { n: '2' } }] },
  });
  // What Kafka has of a bucket that came both ways is not to be less than what it brought.
  await bed.pool.query(change('- 1'));
  await bed.pool.query(
    `UPDATE meterhouse.usage_hourly SET count = count + 1 WHERE metric = 'shared' AND tenant_id = 't0'`,
  );
  expect(await bed.json(['reconcile', '--no-clickhouse'], 1)).toMatchObject({ buckets: { different: 1 } });
}, 300_000);
