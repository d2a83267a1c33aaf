/**
 * Guarantees, on a real Postgres:
 * - reserve, confirm, renew and release answer what services are answered, end with 0 only when it was
 *   done, and the same command again is the same reservation
 * - no_capacity says what is reserved and when it fits
 * - pools and list show what holds now, with numbers as text; history says who did what and why
 * - wrong usage is told from a refusal, and changes nothing
 */
import { beforeAll, expect, test } from 'vitest';
import { inTransaction } from '@meterhouse/postgres';
import { applyPools } from '@meterhouse/postgres/capacity';
import { commandBed } from '../testing.ts';

const bed = await commandBed();

beforeAll(async () => {
  await bed.pool.query(`INSERT INTO meterhouse.tenants (id, name) VALUES ('acme', 'Acme')`);
  await inTransaction(bed.pool, (client) =>
    applyPools(client, [{ id: 'h100', unit: 'gpu', size: 1_000n }], { by: 'ann' }),
  );
});

interface AnswerJson {
  readonly kind: string;
  readonly reservationId: string;
  readonly fencingToken: string;
  readonly expiresAt: string | null;
}

const call = async (exitCode: number, ...args: string[]): Promise<AnswerJson> =>
  (await bed.json(['reservations', ...args], exitCode)) as AnswerJson;
const wanted = (key: string, units: string, ttl = '1h'): string[] => [
  ...['reserve', '--pool', 'h100', '--tenant', 'acme', '--by', 'ann'],
  ...['--key', key, '--units', units, '--ttl', ttl],
];
const of = ({ reservationId, fencingToken }: AnswerJson): string[] => [
  ...[reservationId, '--tenant', 'acme', '--token', fencingToken, '--by', 'ann'],
];

test('from reserve to release', async () => {
  const reserved = await call(0, ...wanted('job-1', '900'));
  expect(reserved).toMatchObject({ kind: 'reserved', state: 'held' });
  expect(await call(0, ...wanted('job-1', '900'))).toMatchObject({
    reservationId: reserved.reservationId,
    expiresAt: reserved.expiresAt,
  });
  expect(await call(1, ...wanted('job-1', '901'))).toEqual({ kind: 'conflict', field: 'units' });
  expect(await call(1, ...wanted('job-2', '101'))).toEqual({
    ...{ kind: 'no_capacity', size: '1000', reserved: '900' },
    ...{ freesAt: reserved.expiresAt, freesUnits: '900' },
  });
  const refused = await bed.run('reservations', ...wanted('job-2', '101'));
  expect(refused.stdout).toContain('no capacity: 900 of 1,000 are reserved; it fits at 20');

  expect(await bed.json(['pools'])).toEqual({
    pools: [
      {
        ...{ id: 'h100', unit: 'gpu', size: '1000', reserved: '900', free: '100' },
        ...{ reservations: '1', nextExpiresAt: reserved.expiresAt },
      },
    ],
  });
  const renewed = await call(0, 'renew', ...of(reserved), '--ttl', '2h');
  expect(renewed.kind).toBe('renewed');
  expect(await call(1, 'confirm', ...of(reserved))).toEqual({ kind: 'stale_token' });
  expect(await call(0, 'confirm', ...of(renewed))).toMatchObject({ kind: 'confirmed', expiresAt: null });
  const listed = await bed.run('reservations', 'list', '--pool', 'h100');
  expect(listed.stdout).toMatch(/h100\s+acme\s+900\s+confirmed\s+-\s+\d+\s+ann\s+job-1/);
  for (const again of [1, 2])
    expect([again, await call(0, 'release', ...of(renewed), '--because', 'done')]).toMatchObject([
      again,
      { kind: 'released' },
    ]);
  expect(await bed.json(['reservations', 'list'])).toEqual({ reservations: [] });
  const history = (await bed.json(['reservations', 'history', reserved.reservationId])) as {
    events: { action: string; by: string; reason: string }[];
  };
  expect(history.events.map(({ action, by, reason }) => [action, by, reason])).toEqual([
    ['reserved', 'ann', ''],
    ['confirmed', 'ann', ''],
    ['released', 'ann', 'done'],
  ]);
  expect(await call(1, 'renew', ...of(renewed), '--ttl', '1h')).toMatchObject({ kind: 'released' });
});

test('what there is none of', async () => {
  expect((await bed.run('pools', '--pool', 'none')).stderr).toContain('there is no pool none');
  expect((await bed.run('reservations', 'history', '999999')).exitCode).toBe(1);
  expect(
    await call(1, 'release', ...of({ ...(await call(0, ...wanted('x', '1'))), reservationId: '99999' })),
  ).toEqual({ kind: 'unknown_reservation' });
});

test('the sweep says what it did', async () => {
  expect(await bed.json(['reservations', 'sweep'])).toEqual({ settled: 0, forgotten: 0, more: false });
  expect((await bed.run('reservations', 'sweep', '--keep', '1h')).exitCode).toBe(1);
});

test('wrong usage', async () => {
  for (const [said, args] of [
    ['ttlMs: must be at most 90 days', wanted('y', '1', '20w')],
    ['units: must be at least 1', wanted('y', '0')],
    ['--ttl', wanted('y', '1', 'soon')],
    ['--state', ['list', '--state', 'gone']],
    ['--token', ['release', '1', '--tenant', 'acme', '--by', 'ann']],
  ] as const) {
    const answer = await bed.run('reservations', ...args);
    expect([said, answer.exitCode]).toEqual([said, 2]);
    expect(answer.stderr).toContain(said);
  }
  expect(await bed.json(['pools'])).toMatchObject({ pools: [{ reserved: '1' }] });
});
