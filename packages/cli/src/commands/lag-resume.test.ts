/**
 * Guarantees, on a real Kafka and Postgres:
 * - lag shows each partition's offsets and watermark, what stopped it, its tailers and the quarantine
 * - a partition goes on only when it was halted, only from an offset that the log holds, and what was
 *   given up, why and by whom is kept
 * - Kafka being away leaves Postgres' side to be seen
 */
import { expect, test } from 'vitest';
import { anEvent, commandBed } from '../testing.ts';

const bed = await commandBed();
await bed.send([1, 2, 3, 4, 5].map(() => bed.encode(anEvent())));
await bed.pool.query(
  `INSERT INTO meterhouse.progress (source, partition, next_offset, processed_through)
   VALUES ($1, 0, 2, now() - interval '90 seconds'), ('quarantine', 0, 4, NULL)`,
  [bed.topic],
);

interface LagJson {
  completeThrough: string | null;
  eventsBehind: string | null;
  kafkaError: string | null;
  partitions: {
    partition: number;
    logEnd: string | null;
    nextOffset: string | null;
    eventsBehind: string | null;
    secondsBehind: number | null;
    haltedReason: string | null;
  }[];
  tailers: { name: string; changeRowsBehind: string; resyncing: boolean }[];
  quarantine: { open: string };
}

const lag = async (...args: string[]): Promise<LagJson> => (await bed.json(['lag', ...args])) as LagJson;

test('partitions, counted and never counted', async () => {
  const report = await lag();
  expect(report.partitions).toMatchObject([
    { partition: 0, logEnd: '5', nextOffset: '2', eventsBehind: '3', haltedReason: null },
    { partition: 1, logEnd: '0', nextOffset: null, eventsBehind: '0', secondsBehind: null },
  ]);
  expect(report.partitions[0]?.secondsBehind).toBeGreaterThanOrEqual(90);
  expect([report.completeThrough, report.eventsBehind]).toEqual([null, '3']);
});

test('tailers and quarantine', async () => {
  await bed.pool.query(
    `INSERT INTO meterhouse.change_log (source, partition, from_offset, next_offset, flush_id, changes)
     VALUES ($1, 0, 0, 1, 1, '[]'), ($1, 0, 1, 2, 2, '[]')`,
    [bed.topic],
  );
  await bed.pool.query(`INSERT INTO meterhouse.tailers (name) VALUES ('ahead'), ('new')`);
  await bed.pool.query(`INSERT INTO meterhouse.tailer_cursors VALUES ('ahead', $1, 0, 1)`, [bed.topic]);
  await bed.pool.query(
    `INSERT INTO meterhouse.quarantine (source, partition, "offset", received_at, reason, detail, payload, status)
     VALUES ($1, 0, 0, now(), 'undecodable', 'x', '', 'waiting'), ($1, 0, 1, now(), 'undecodable', 'x', '', 'discarded')`,
    [bed.topic],
  );
  const report = await lag();
  expect(report.tailers.map(({ name, changeRowsBehind }) => [name, changeRowsBehind])).toEqual([
    ['ahead', '1'],
    ['new', '2'],
  ]);
  expect(report.quarantine.open).toBe('1');
});

test('Kafka away', async () => {
  const report = await lag('--kafka', '127.0.0.1:1');
  expect(report.kafkaError).toContain('Kafka at 127.0.0.1:1 does not answer');
  expect(report.partitions).toMatchObject([{ partition: 0, nextOffset: '2', logEnd: null }]);
});

const resume = (from: string, ...args: string[]) =>
  bed.run(
    'resume-partition',
    '--partition',
    '0',
    '--from',
    from,
    '--because',
    'disk lost',
    '--by',
    'ann',
    ...args,
  );

test('a partition that is not halted is left alone', async () => {
  const answer = await resume('4');
  expect(answer.exitCode).toBe(1);
  expect(answer.stderr).toContain('partition 0 is not halted');
  expect((await lag()).partitions[0]?.nextOffset).toBe('2');
});

test('a halted partition goes on from an offset that the log holds, and the loss is written down', async () => {
  await bed.pool.query(
    `UPDATE meterhouse.progress SET halted_reason = 'the log starts at 4' WHERE source = $1`,
    [bed.topic],
  );
  expect((await bed.run('lag')).stdout).toContain('HALTED');
  expect((await resume('6')).stderr).toContain('offset 6 is not in the log, which holds 0 to 5');
  expect((await bed.run('resume-partition', '--partition', '0', '--from', '4', '--by', 'ann')).exitCode).toBe(
    2,
  );
  const answer = await resume('4');
  expect(answer.exitCode).toBe(0);
  expect(answer.stdout).toContain('skipped: offsets 2 to 3, up to 2 events that will never be counted');
  expect((await lag()).partitions[0]).toMatchObject({ nextOffset: '4', haltedReason: null });
  const kept = await bed.pool.query(
    'SELECT source, partition, from_offset, to_offset, halted_reason, because, by FROM meterhouse.partition_resumptions',
  );
  expect(kept.rows).toEqual([
    {
      source: bed.topic,
      partition: 0,
      from_offset: '2',
      to_offset: '4',
      halted_reason: 'the log starts at 4',
      because: 'disk lost',
      by: 'ann',
    },
  ]);
});
