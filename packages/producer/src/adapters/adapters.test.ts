/**
 * Guarantees of noop and log, and of loading an adapter:
 *  - noop keeps nothing and looks at nothing, unless it is told to check events; zero usage says that
 *    nobody counts, and what it allows is not enforced.
 *  - log writes one line an event before it is acknowledged; a log that cannot be written acknowledges nothing.
 *  - Events are taken before the adapter is loaded. One that cannot be loaded is told by `ready` and in the
 *    log, loses nothing before the deadline, and is no unhandled rejection.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createMeter } from '../create-meter.ts';
import { opened } from '../lazy-adapter.ts';
import { overTransport } from '../own-adapter.ts';

const event = { tenantId: 'acme', metric: 'm' };
const SHORT = { deliveryMs: 50, lingerMs: 0 };

describe('noop', () => {
  it('keeps nothing, and says that nobody counts', async () => {
    const meter = createMeter({ source: 'test', adapter: 'noop' });
    expect(meter.add(event)).toBe(true);
    expect(await meter.record({ ...event, id: 'e-1' })).toEqual({ id: 'e-1' });
    expect(meter.counters()).toMatchObject({ discarded: 2, accepted: 0, acknowledged: 0, buffered: 0 });
    const usage = await meter.getUsage({ ...event, from: 0, to: 3_600_000 });
    expect(usage).toMatchObject({
      value: '0',
      unit: null,
      asOf: { origin: 'nothing', completeThrough: null },
    });
    const actor = { type: 'user', id: 'ann', roles: [], scopes: [] };
    const question = { tenantId: 'acme', actor, product: 'p', resourceType: 'r', action: 'a' };
    expect(await meter.checkOrThrow(question)).toMatchObject({ enforced: false, decidedBy: 'nothing' });
    await meter.close();
    expect(meter.add(event)).toBe(false);
  });

  it('refuses what no adapter takes, where it is told to', async () => {
    const meter = createMeter({ source: 'test', adapter: 'noop', noop: { checkEvents: true } });
    expect(meter.add({ ...event, value: Number.NaN })).toBe(false);
    expect(meter.add(event)).toBe(true);
    expect(await meter.close()).toMatchObject({ acknowledged: 1, refused: { invalid_value: 1 } });
  });
});

describe('log', () => {
  it('has a line for each acknowledged event', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'meterhouse-log-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const file = join(folder, 'below', 'usage.log');
    const meter = createMeter({ source: 'test', adapter: 'log', log: { file } });
    const given = { ...event, id: 'e-1', value: '0.5', ts: 0, attrs: { a: 'line\nbreak' } };
    await meter.record(given);
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      service: 'test',
      usageEvent: { ...given, ts: '1970-01-01T00:00:00.000Z', source: 'test' },
    });
    await meter.close();
  });

  it.skipIf(process.platform !== 'linux')('acknowledges nothing that it could not write', async () => {
    const meter = createMeter({ source: 'test', adapter: 'log', log: { file: '/dev/full' }, bounds: SHORT });
    await expect(meter.record(event)).rejects.toMatchObject({ code: 'not_acknowledged' });
    expect((await meter.close({ deadlineMs: 100 })).acknowledged).toBe(0);
  });
});

describe('an adapter that is still being loaded', () => {
  it('gets what was sent before it was there', async () => {
    const ids: string[] = [];
    const loading = Promise.withResolvers<ReturnType<typeof overTransport>>();
    const { transport } = opened(loading.promise);
    const sending = transport?.send([{ id: 'early' } as never], AbortSignal.timeout(10_000));
    loading.resolve(
      overTransport({
        send: (events) => {
          ids.push(...events.map(({ id }) => id));
          return Promise.resolve();
        },
        close: () => Promise.resolve(),
        remakes: () => 3,
      }),
    );
    await sending;
    expect(ids).toEqual(['early']);
    expect(transport?.remakes()).toBe(3);
  });

  it('and cannot be, says why to each sender, and closes all the same', async () => {
    const unhandled: unknown[] = [];
    const note = (error: unknown) => unhandled.push(error);
    process.on('unhandledRejection', note);
    onTestFinished(() => void process.off('unhandledRejection', note));
    const adapter = opened(Promise.reject(new Error('no package kafkajs')));
    const { transport } = adapter;
    await new Promise((resolve) => setImmediate(resolve));
    await expect(transport?.send([], AbortSignal.timeout(1_000))).rejects.toMatchObject({
      problem: 'unavailable',
      message: 'the adapter cannot be loaded: no package kafkajs',
    });
    await expect(adapter.adapter()).rejects.toThrow('no package kafkajs');
    await transport?.close();
    await adapter.close();
    expect(unhandled).toEqual([]);
  });
});
