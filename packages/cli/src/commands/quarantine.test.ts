/**
 * Guarantees, on the real stack with a real aggregator:
 * - a replayed event is counted once, by the registry of today; what is still refused waits on, with
 *   its new reason; each step is kept with who asked for it
 * - an event that was counted directly is shown from the JSON that it waits as
 * - a discarded event is never counted, and can no longer be replayed
 * - nobody acts on everything without saying so
 */
import { expect, test } from 'vitest';
import { createMeter } from '@meterhouse/producer';
import { anEvent, commandBed, REGISTRY } from '../testing.ts';

const bed = await commandBed();
await bed.startAggregator();

interface Listed {
  counts: { reason: string; status: string; events: string; occurrences: string }[];
  events: { id: string; reason: string; status: string; eventId: string | null }[];
}

const list = async (...args: string[]): Promise<Listed> =>
  (await bed.json(['quarantine', 'list', ...args])) as Listed;

/** Sends and waits until all is counted or quarantined. */
async function settle(values: readonly (Buffer | null)[]): Promise<void> {
  await bed.send(values);
  // An import of nothing waits for everything that the topic held.
  await bed.json(['import', await bed.file('nothing.jsonl', ''), '--wait']);
}

const early = anEvent({ id: 'early', value: '2.5' });
const late = anEvent({ id: 'late', metric: 'unheard.of' });

test('list and show say what waits and why', async () => {
  await settle([bed.encode(early), bed.encode(early), bed.encode(late), Buffer.from('garbage')]);
  const { counts, events } = await list();
  expect(counts.map(({ reason, events: count, occurrences }) => [reason, count, occurrences])).toEqual([
    ['undecodable', '1', '1'],
    ['unknown_tenant', '2', '3'],
  ]);
  expect(events.map(({ eventId }) => eventId)).toEqual(['early', 'late', null]);
  expect((await list('--reason', 'undecodable')).events).toHaveLength(1);
  expect((await list('--limit', '1', '--after', events[0]?.id ?? '')).events[0]?.eventId).toBe('late');
  const shown = (await bed.json(['quarantine', 'show', events[0]?.id ?? ''])) as {
    decoded: object;
    payload: { hex: string };
  };
  expect(shown.decoded).toEqual(early);
  expect(shown.payload.hex).toBe(bed.encode(early).toString('hex'));
  const garbage = await bed.run('quarantine', 'show', events[2]?.id ?? '');
  expect(garbage.stdout).toContain(Buffer.from('garbage').toString('hex'));
  expect(garbage.stdout).toContain('cannot be read');
  expect((await bed.run('quarantine', 'show', '999999')).exitCode).toBe(1);
});

test('show reads what was counted directly as it is kept, without the schema registry', async () => {
  const url = bed.env['DATABASE_URL'] ?? '';
  const meter = createMeter({ source: 'direct', adapter: 'postgres', postgres: { url } });
  const { id } = await meter.record({
    tenantId: 'nobody',
    metric: 'tokens',
    value: '1.5',
    attrs: { model: 'a' },
  });
  await meter.close();
  const [event] = (await list('--tenant', 'nobody')).events;
  expect(event).toMatchObject({ eventId: id, reason: 'unknown_tenant' });
  const away = { ...bed.env, SCHEMA_REGISTRY_URL: 'http://127.0.0.1:1' };
  const shown = await bed.runWith(away, 'quarantine', 'show', event?.id ?? '', '--json');
  expect(JSON.parse(shown.stdout)).toMatchObject({
    source: 'direct',
    decoded: { id, tenantId: 'nobody', value: '1.5', attrs: { model: 'a' } },
  });
  await bed.json(['quarantine', 'discard', '--tenant', 'nobody', '--by', 'ann', '--because', 'a test']);
});

test('a replay counts what can be counted now, once, and keeps the history', async () => {
  await bed.json(['apply', '-f', await bed.file('registry.yaml', REGISTRY)]);
  const replay = [
    'quarantine',
    'replay',
    '--reason',
    'unknown_tenant',
    '--by',
    'ann',
    '--because',
    'registered',
    '--wait',
  ];
  expect(await bed.json(replay)).toEqual({
    requested: 2,
    outcomes: { counted: '1', duplicate: '0', stillRefused: '1', discarded: '0', pending: '0' },
  });
  const counted = await list('--status', 'counted');
  expect(counted.events.map(({ eventId }) => eventId)).toEqual(['early']);
  const waiting = await list('--reason', 'unknown_metric');
  expect(waiting.events.map(({ eventId }) => eventId)).toEqual(['late']);
  const shown = (await bed.json(['quarantine', 'show', counted.events[0]?.id ?? ''])) as {
    history: { action: string; by: string; reason: string }[];
  };
  expect(shown.history.map(({ action, by }) => [action, by])).toEqual([
    ['replay_requested', 'ann'],
    ['counted', 'aggregator'],
  ]);
  // Nothing of that reason waits any more.
  expect(await bed.json(replay)).toMatchObject({ requested: 0 });
  const buckets = await bed.pool.query(
    'SELECT trim_scale(sum)::text AS sum, count FROM meterhouse.usage_hourly',
  );
  expect(buckets.rows).toEqual([{ sum: '2.5', count: '1' }]);
});

test('a discarded event stays uncounted', async () => {
  const discard = ['quarantine', 'discard', '--metric', 'unheard.of', '--by', 'ben'];
  expect((await bed.run(...discard)).exitCode).toBe(2);
  expect(await bed.json([...discard, '--because', 'a test of the new model'])).toEqual({ discarded: 1 });
  const [event] = (await list('--status', 'discarded')).events;
  expect(event?.eventId).toBe('late');
  expect(
    await bed.json(['quarantine', 'replay', '--id', event?.id ?? '', '--by', 'ann', '--wait']),
  ).toMatchObject({
    requested: 0,
  });
});

test('everything has to be said', async () => {
  for (const args of [
    ['replay', '--by', 'ann'],
    ['replay', '--by', 'ann', '--all', '--reason', 'undecodable'],
    ['replay', '--by', 'ann', '--reason', 'bad_mood'],
    ['replay', '--all'],
    ['discard', '--by', 'ann', '--because', 'x'],
    ['list', '--status', 'gone'],
    ['show', 'x'],
  ])
    expect([args, (await bed.run('quarantine', ...args)).exitCode]).toEqual([args, 2]);
  expect(await bed.json(['quarantine', 'discard', '--all', '--by', 'ann', '--because', 'done'])).toEqual({
    discarded: 1,
  });
  expect((await list()).counts).toEqual([]);
});
