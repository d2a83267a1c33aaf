/**
 * Guarantees, on a real broker and Postgres:
 * - Every decision is kept exactly once, whatever is delivered again: sent twice, read by another group,
 *   or left untold by a process that ended between COMMIT and offset.
 * - No offset is told before the COMMIT of what lies below it: a process that is killed while Postgres
 *   holds it up loses nothing.
 * - A message that cannot be read, or that the store refuses, is kept whole with its reason, and neither it
 *   nor its neighbours are lost or held up.
 * - While Postgres is away the log waits, says so, and goes on by itself.
 * - How far it is moves on while nothing is sent, and makes the service healthy. What the topic lost is said.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { bareEnvironment } from '@meterhouse/dev-stack';
import { consumeTopic } from '@meterhouse/kafka';
import { waitFor, type Logger } from '@meterhouse/runtime';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import {
  aRecord,
  DEADLINE_MS,
  decisionBed,
  servicePoolAt,
  type DecisionBed,
} from './testing/decision-bed.ts';
import { postgresProxy } from '@meterhouse/postgres/proxy-testing';

const sorted = (records: readonly { readonly id: string }[]): string[] => records.map(({ id }) => id).sort();
const many = (count: number) => Array.from({ length: count }, () => aRecord());

test('what is sent twice, and read again by another group, is kept once, as it was', async () => {
  const bed = await decisionBed();
  const records = many(40);
  const messages = records.map(bed.encode);
  await bed.send(messages);
  await bed.send(messages.slice(0, 20), 1);
  // Of two records with one id the first stays.
  const [first = aRecord()] = records;
  await bed.start({ bounds: { maxRows: 7 } });
  await bed.untilToldAll();
  await bed.send([bed.encode({ ...first, reason: 'policy_denied' })], 2);
  await bed.untilToldAll();
  expect(await bed.kept()).toEqual(sorted(records));

  const state = () =>
    bed.pool.query('SELECT * FROM meterhouse.decisions ORDER BY id').then(({ rows }) => rows as unknown[]);
  const before = await state();
  expect(before.find((row) => (row as { id: string }).id === first.id)).toMatchObject({
    ...{ tenant_id: 'acme', outcome: 'deny', reason: 'quota_exhausted', correlation_id: 'c-1' },
    ...{ actor_type: 'user', actor_id: 'ann', registry_version: '7', at: new Date(first.at), record: first },
  });
  await bed.start({ groupId: `${bed.groupId}-again` });
  await bed.untilToldAll(`${bed.groupId}-again`);
  expect(await state()).toEqual(before);
});

test('a process that ends between COMMIT and offset: delivered again, kept once', async () => {
  const bed = await decisionBed();
  const records = many(25);
  await bed.send(records.map(bed.encode));
  let untold = 0;
  const cutOff: typeof consumeTopic = async (options) => ({
    ...(await consumeTopic(options)),
    commit: () => {
      untold += 1;
      return Promise.reject(new Error('the connection is gone'));
    },
  });
  const dying = await bed.start({ consume: cutOff });
  await bed.untilKept(records.length);
  await waitFor('the offset to be told', () => (untold > 0 ? true : undefined), { deadlineMs: DEADLINE_MS });
  await dying.stop();
  expect((await bed.stands())[0]).toMatchObject({ nextOffset: 0n, logEnd: 25n });

  const next = await bed.start();
  await bed.untilToldAll();
  expect(await bed.kept()).toEqual(sorted(records));
  expect(next.status()).toMatchObject({ kept: 0, unreadable: 0 });
});

test('a process that is killed before its COMMIT: no offset was told, nothing is lost', async () => {
  const bed = await decisionBed();
  const records = many(25);
  const holder = await bed.pool.connect();
  onTestFinished(() => holder.release(true));
  await holder.query('BEGIN');
  await holder.query('LOCK TABLE meterhouse.decisions IN SHARE MODE');
  const child = startProcess(bed);
  await bed.send(records.map(bed.encode));
  await waitFor(
    'the process to wait for the table',
    async () => {
      const { rowCount } = await bed.pool.query(
        `SELECT FROM pg_stat_activity WHERE application_name = 'meterhouse-decision-log'
         AND datname = current_database() AND wait_event_type = 'Lock'`,
      );
      return rowCount === 0 ? undefined : true;
    },
    { deadlineMs: DEADLINE_MS },
  );
  expect((await bed.stands())[0]).toMatchObject({ nextOffset: 0n, logEnd: 25n });
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
  // The server would still finish the statement of a client that is gone.
  await bed.pool.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE application_name = 'meterhouse-decision-log' AND datname = current_database()`,
  );
  await holder.query('ROLLBACK');
  expect(await bed.kept()).toEqual([]);

  await bed.start();
  await bed.untilKept(records.length);
  expect(await bed.kept()).toEqual(sorted(records));
}, 90_000);

test('what cannot be read is kept with its reason, and stops nothing', async () => {
  const bed = await decisionBed();
  const records = many(9);
  const request = (fields: object) => ({ request: { ...aRecord().request, ...fields } });
  const garbage = Buffer.from('hello');
  const unknownSchema = Buffer.concat([Buffer.from([0, 0x7f, 0xff, 0xff, 0xff]), Buffer.alloc(20)]);
  const bad = [
    garbage,
    null,
    unknownSchema,
    bed.encode(aRecord({ id: 'not-a-uuid' })),
    bed.encode(aRecord({ outcome: 'perhaps' })),
    bed.encode(aRecord(request({ tenantId: 'a\0b' }))),
    bed.encode(aRecord({ registryVersion: '0x10' })),
    // The log does not look there; Postgres' jsonb does.
    bed.encode({ ...aRecord(), note: 'a\0b' } as ReturnType<typeof aRecord>),
    bed.encode({ ...aRecord(), note: '\ud800' } as ReturnType<typeof aRecord>),
  ];
  await bed.send(records.flatMap((record, index) => [bed.encode(record), bad[index] ?? null]));
  const service = await bed.start();
  await bed.untilToldAll();
  expect(await bed.kept()).toEqual(sorted(records));
  expect(service.status()).toEqual({ kept: 9, unreadable: 9, waitingFor: null });
  const { rows } = await bed.pool.query<{ offset: string; reason: string; detail: string; payload: Buffer }>(
    'SELECT "offset", reason, detail, payload FROM meterhouse.unreadable_decisions ORDER BY "offset"',
  );
  expect(rows.map(({ offset, payload }) => [Number(offset), payload])).toEqual(
    bad.map((payload, index) => [2 * index + 1, payload]),
  );
  expect(rows.map(({ reason, detail }) => [reason, detail.split(':')[0]])).toEqual([
    ['undecodable', expect.any(String)],
    ['undecodable', 'the message has no value'],
    ['undecodable', expect.any(String)],
    ['invalid_record', 'id'],
    ['invalid_record', 'outcome'],
    ['invalid_record', 'request.tenantId'],
    ['invalid_record', 'registryVersion'],
    ['refused_by_store', expect.stringContaining('22P05')],
    ['refused_by_store', expect.stringContaining('22P02')],
  ]);
  // Read again, they are not kept twice either.
  await bed.start({ groupId: `${bed.groupId}-again` });
  await bed.untilToldAll(`${bed.groupId}-again`);
  const again = await bed.pool.query('SELECT FROM meterhouse.unreadable_decisions');
  expect(again.rowCount).toBe(9);
});

test('Postgres away: it waits, says so, and goes on', async () => {
  const bed = await decisionBed();
  const proxy = await postgresProxy(bed.url);
  const service = await bed.start({ pool: servicePoolAt(proxy.url) });
  await bed.send([bed.encode(aRecord())]);
  await bed.untilKept(1);
  await bed.untilToldAll();
  await proxy.shut();
  await bed.send(many(10).map(bed.encode));
  await waitFor('it to say so', () => (service.status().waitingFor === 'Postgres' ? true : undefined), {
    deadlineMs: DEADLINE_MS,
  });
  expect((await bed.stands())[0]).toMatchObject({ nextOffset: 1n, logEnd: 11n });
  await proxy.open();
  await bed.untilKept(11);
  await bed.untilToldAll();
  expect(service.status()).toEqual({ kept: 11, unreadable: 0, waitingFor: null });
});

test('how far it is moves on while nothing is sent', async () => {
  const bed = await decisionBed();
  await bed.start();
  const completeThrough = async (): Promise<number | undefined> => {
    const { rows } = await bed.pool.query<{ through: Date | null; partitions: string }>(
      `SELECT min(complete_through) AS through, count(*) AS partitions
       FROM meterhouse.decision_log_partitions WHERE topic = $1`,
      [bed.topic],
    );
    return rows[0]?.partitions === '3' ? rows[0].through?.getTime() : undefined;
  };
  const wait = { deadlineMs: DEADLINE_MS };
  const first = await waitFor('all partitions to be complete', completeThrough, wait);
  await waitFor(
    'it to move on',
    async () => (((await completeThrough()) ?? 0) > first ? true : undefined),
    wait,
  );
});

test('what the topic lost before it was kept is said', async () => {
  const bed = await decisionBed();
  await bed.send(many(3).map(bed.encode));
  const first = await bed.start();
  await bed.untilToldAll();
  await first.stop();
  const records = many(5);
  await bed.send(records.map(bed.encode));
  const admin = bed.kafka.admin();
  await admin.connect();
  // Makes kafkajs learn who leads the partition.
  await admin.fetchTopicOffsets(bed.topic);
  await admin.deleteTopicRecords({ topic: bed.topic, partitions: [{ partition: 0, offset: '5' }] });
  await admin.disconnect();
  const said: object[] = [];
  const logger: Logger = pino(
    { level: 'error' },
    { write: (line: string) => said.push(JSON.parse(line) as object) },
  );
  await bed.start({ logger });
  await bed.untilKept(6);
  expect(said[0]).toMatchObject({
    partition: 0,
    msg: 'the topic lost decisions before they were kept: see docs/runbooks/decisions-behind.md',
  });
  expect(await bed.kept()).toHaveLength(6);
});

function startProcess(bed: DecisionBed): ReturnType<typeof spawn> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('main.ts', import.meta.url))], {
    env: { ...bareEnvironment(), LOG_LEVEL: 'warn', ...bed.environment },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}
