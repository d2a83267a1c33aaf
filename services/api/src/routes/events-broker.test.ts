/**
 * `POST /v1/events` while the broker is away, on a broker of this test's own:
 *  - I2 over HTTP: whatever was answered as acknowledged is on the topic, also when the broker was
 *    frozen or killed under it; what was not is said so, and sent again with its id it is there once.
 *  - Nobody waits without end, and what cannot be held is refused with a time to come back at.
 */
import { startStack, type Stack } from '@meterhouse/dev-stack';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { startEventsApi, type Sent } from '../events/testing.ts';

let stack: Stack;
beforeAll(async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'meterhouse-events-'));
  stack = await startStack({ dataDir, parts: ['kafka', 'schemaRegistry'] });
  return async () => {
    await stack.stop();
    await rm(dataDir, { recursive: true, force: true });
  };
}, 300_000);

const TS = '2026-01-02T03:04:05.678Z';
const batchOf = (name: string, count: number): string =>
  JSON.stringify(Array.from({ length: count }, (_, i) => ({ id: `${name}-${i}`, metric: 'm', ts: TS })));
const acknowledgedIds = ({ answer }: Sent): string[] =>
  (answer.events ?? []).flatMap((one) => (one.outcome === 'acknowledged' ? [one.id] : []));

describe('I2: an event that was answered as acknowledged', () => {
  it('is on the topic after the broker was frozen and killed under the requests; the others say so, and can be sent again', async () => {
    const { send, onTopic, close } = await startEventsApi(stack.endpoints, {
      bufferEvents: 5_000,
      deliveryMs: 2_000,
      attemptMs: 1_000,
    });
    const acknowledged = new Set<string>();
    const all = new Set<string>();
    let unavailable = 0;
    let stopped = false;
    const open = async (name: string): Promise<void> => {
      const body = batchOf(name, 20);
      for (let i = 0; i < 20; i++) all.add(`${name}-${i}`);
      // Until all of it is acknowledged: as a client does that loses nothing.
      for (;;) {
        const sent = await send(body);
        for (const id of acknowledgedIds(sent)) acknowledged.add(id);
        if (sent.status === 200) return;
        expect([207, 503]).toContain(sent.status);
        expect(sent.headers.get('retry-after')).toBe('2');
        unavailable += 1;
      }
    };
    const worker = async (name: string): Promise<void> => {
      for (let n = 0; !stopped; n++) await open(`${name}-${n}`);
    };
    const workers = Array.from({ length: 8 }, (_, i) => worker(`w${i}`));
    const broker = stack.part('kafka');
    const reaches = async (what: () => boolean): Promise<void> => {
      await expect.poll(what, { timeout: 60_000, interval: 20 }).toBe(true);
    };
    await reaches(() => acknowledged.size > 500);
    await broker.kill('SIGSTOP');
    await reaches(() => unavailable > 8);
    await broker.kill('SIGCONT');
    let seen = acknowledged.size;
    await reaches(() => acknowledged.size > seen + 500);
    await broker.kill('SIGKILL');
    await broker.start();
    seen = acknowledged.size;
    await reaches(() => acknowledged.size > seen + 500);
    stopped = true;
    await Promise.all(workers);

    const found = new Set((await onTopic()).map(({ event }) => event.id));
    expect([...acknowledged].filter((id) => !found.has(id))).toEqual([]);
    expect(acknowledged).toEqual(all);
    expect(found).toEqual(all);
    await close();
  }, 300_000);
});

describe('while the broker is away', () => {
  it('each event is answered with the id and time to send it again with, and what does not fit is not taken', async () => {
    const { send, onTopic, intake, close } = await startEventsApi(stack.endpoints, {
      bufferEvents: 100,
      deliveryMs: 2_000,
      attemptMs: 1_000,
    });
    const broker = stack.part('kafka');
    // The first connection may take longer than an event waits here.
    const before = JSON.stringify({ metric: 'm', id: 'before', ts: TS });
    await expect.poll(async () => (await send(before)).status, { timeout: 60_000 }).toBe(200);
    await broker.kill('SIGSTOP');
    const waiting = send(JSON.stringify([...Array<unknown>(79).fill({ metric: 'm' }), { metric: '' }]));
    await expect.poll(() => intake.meter.counters().buffered).toBe(79);
    const full = await send(JSON.stringify(Array(22).fill({ metric: 'm' })));
    expect(full).toMatchObject({ status: 503, answer: { code: 'overloaded' } });
    expect(full.answer.events).toBeUndefined();
    expect(full.headers.get('retry-after')).toBe('2');

    const answer = await waiting;
    expect(answer).toMatchObject({
      status: 503,
      answer: { code: 'unavailable', acknowledged: 0, refused: 1, notAcknowledged: 79 },
    });
    const again = (answer.answer.events ?? []).flatMap((one) =>
      one.outcome === 'not_acknowledged' ? [{ metric: 'm', id: one.id, ts: one.ts }] : [],
    );
    expect(again).toHaveLength(79);
    await broker.kill('SIGCONT');
    await expect.poll(async () => (await send(JSON.stringify(again))).status, { timeout: 60_000 }).toBe(200);
    const copies = Map.groupBy(await onTopic(), ({ event }) => event.id);
    expect(new Set(copies.keys())).toEqual(new Set(['before', ...again.map(({ id }) => id)]));
    // However often one is there, it is the same event.
    for (const [, same] of copies) expect(new Set(same.map(({ event }) => event.ts)).size).toBe(1);
    await close();
  }, 120_000);
});
