/**
 * Guarantees of the meter, over a transport that fails on command:
 *  - `record` resolves only after the transport has taken the event; it rejects with a code of the closed
 *    list, and after `not_acknowledged` the same event, id included, can be recorded again.
 *  - `add` never throws and never waits; what it does not take is counted, reported and logged.
 *  - The buffer is bounded in events and bytes, and hitting the bound is visible.
 *  - A batch that fails is sent again with the same ids; an event that is too large alone is refused and
 *    does not fail its neighbours.
 *  - accepted = acknowledged + failed + too large + buffered, at every moment, whatever fails.
 *  - flush and close come to an end, also when the transport hangs; an idle meter holds no timer.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { UsageEvent } from '@meterhouse/usage';
import fc from 'fast-check';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { MeterError } from './errors.ts';
import type { UsageEventInput } from './event-input.ts';
import { createMeter, type MeterParts } from './create-meter.ts';
import type { MeterBounds } from './configuration/bounds.ts';
import type { Meter } from './meter.ts';
import { overTransport } from './own-adapter.ts';
import { TransportError, type Transport } from './transport.ts';

type Send = Transport['send'];

/** Remembers what was delivered; `behave` decides what becomes of each batch. */
class TestTransport implements Transport {
  readonly batches: (readonly UsageEvent[])[] = [];
  readonly delivered: UsageEvent[] = [];
  behave: Send = () => Promise.resolve();
  closed = false;

  async send(events: readonly UsageEvent[], signal: AbortSignal): Promise<void> {
    this.batches.push(events);
    await this.behave(events, signal);
    this.delivered.push(...events);
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }

  remakes(): number {
    return 0;
  }
}

function meterOver(
  transport: Transport,
  { bounds, ...parts }: MeterParts & { readonly bounds?: MeterBounds } = {},
): Meter {
  const meter = createMeter(
    { source: 'test', adapter: overTransport(transport), ...(bounds === undefined ? {} : { bounds }) },
    { ports: { random: () => 0 }, ...parts },
  );
  onTestFinished(async () => {
    await meter.close({ deadlineMs: 0 });
  });
  return meter;
}

const event = (fields: Partial<UsageEventInput> = {}): UsageEventInput => ({
  tenantId: 'acme',
  metric: 'api.calls',
  ...fields,
});
const away: Send = () => Promise.reject(new TransportError('unavailable', 'nobody there'));
const hangs: Send = () => new Promise(() => undefined);

/** A transport that waits until it is let go. */
function gate(): { send: Send; open: () => void } {
  const opened = Promise.withResolvers<undefined>();
  return {
    send: async () => {
      await opened.promise;
    },
    open: () => {
      opened.resolve(undefined);
    },
  };
}

async function errorOf(failing: Promise<unknown>): Promise<MeterError> {
  const outcome = await failing.then(
    () => null,
    (error: unknown) => error,
  );
  if (!(outcome instanceof MeterError)) throw new Error(`expected a MeterError, got ${String(outcome)}`);
  return outcome;
}

function expectBalanced(meter: Meter): void {
  const { accepted, acknowledged, failed, refused, buffered } = meter.counters();
  expect(accepted).toBe(acknowledged + failed + refused.too_large + buffered);
}

describe('record', () => {
  it('resolves with the id when the transport has the event, and not before', async () => {
    const transport = new TestTransport();
    const { send, open } = gate();
    transport.behave = send;
    const meter = meterOver(transport);
    const settled = vi.fn();
    const recorded = meter.record(event({ id: 'e-1' })).finally(settled);
    await vi.waitFor(() => expect(transport.batches).toHaveLength(1));
    expect(settled).not.toHaveBeenCalled();
    expect(meter.counters()).toMatchObject({ accepted: 1, acknowledged: 0, buffered: 1 });
    open();
    expect(await recorded).toEqual({ id: 'e-1' });
    expect(meter.counters()).toMatchObject({ accepted: 1, acknowledged: 1, buffered: 0, bufferedBytes: 0 });
  });

  it('rejects what is not an event, by field, and counts it', async () => {
    const meter = meterOver(new TestTransport());
    const error = await errorOf(meter.record(event({ value: Number.NaN })));
    expect(error).toMatchObject({
      code: 'refused',
      canRetry: false,
      reason: 'invalid_value',
      field: 'value',
    });
    expect(meter.counters()).toMatchObject({ accepted: 0, refused: { invalid_value: 1 } });
  });

  it('tries again with the same ids until the transport takes them', async () => {
    const transport = new TestTransport();
    let failures = 3;
    transport.behave = () => (failures-- > 0 ? away([], new AbortController().signal) : Promise.resolve());
    const meter = meterOver(transport);
    await Promise.all([meter.record(event()), meter.record(event())]);
    expect(meter.counters()).toMatchObject({ acknowledged: 2, retries: 3 });
    const ids = transport.batches.map((batch) => batch.map(({ id }) => id).join());
    expect(ids).toHaveLength(4);
    expect(new Set(ids).size).toBe(1);
  });

  it('hands the event back with its id after the deadline, to be recorded again', async () => {
    const transport = new TestTransport();
    transport.behave = away;
    const meter = meterOver(transport, { bounds: { deliveryMs: 500 } });
    const error = await errorOf(meter.record(event()));
    expect(error).toMatchObject({ code: 'not_acknowledged', canRetry: true });
    expect(meter.counters()).toMatchObject({ failed: 1, buffered: 0 });
    transport.behave = () => Promise.resolve();
    expect(await meter.record(error.event ?? event())).toEqual({ id: error.event?.id });
    expect(transport.delivered).toEqual([error.event]);
  });

  it('is over at the deadline also when a send hangs', async () => {
    const transport = new TestTransport();
    transport.behave = hangs;
    const meter = meterOver(transport, { bounds: { deliveryMs: 50 } });
    expect(await errorOf(meter.record(event()))).toMatchObject({ code: 'not_acknowledged' });
  });

  it('aborts a send that hangs, and sends again', async () => {
    const transport = new TestTransport();
    const aborted = vi.fn();
    transport.behave = (events, signal) => {
      if (transport.batches.length > 1) return Promise.resolve();
      signal.addEventListener('abort', aborted);
      return hangs(events, signal);
    };
    const meter = meterOver(transport, { bounds: { attemptMs: 20 } });
    await meter.record(event());
    expect(aborted).toHaveBeenCalledOnce();
  });
});

describe('add', () => {
  it('takes events without waiting, in order, in batches', async () => {
    const transport = new TestTransport();
    const meter = meterOver(transport, { bounds: { batchEvents: 100 } });
    for (let i = 0; i < 250; i++) expect(meter.add(event({ id: `e-${i}` }))).toBe(true);
    await meter.flush();
    expect(transport.delivered.map(({ id }) => id)).toEqual(Array.from({ length: 250 }, (_, i) => `e-${i}`));
    expect(transport.batches.map((batch) => batch.length)).toEqual([100, 100, 50]);
  });

  it('cuts batches by size too', async () => {
    const transport = new TestTransport();
    const meter = meterOver(transport, { bounds: { batchBytes: 1 } });
    for (let i = 0; i < 3; i++) meter.add(event());
    await meter.flush();
    expect(transport.batches.map((batch) => batch.length)).toEqual([1, 1, 1]);
  });

  it('never throws, whatever it is given, and reports each refusal', () => {
    const onRefused = vi.fn();
    const meter = meterOver(new TestTransport(), { onRefused });
    const broken = new Proxy(
      {},
      {
        get: () => {
          throw new Error('no');
        },
      },
    );
    for (const input of [null, undefined, 5, {}, broken, event({ value: '1e3' })])
      expect(meter.add(input as UsageEventInput)).toBe(false);
    expect(meter.counters().refused).toMatchObject({ invalid_event: 5, invalid_value: 1 });
    expect(onRefused).toHaveBeenCalledTimes(6);
  });

  it('does not pass on what the callback throws, nor recurse into it', () => {
    const meter: Meter = meterOver(new TestTransport(), {
      onRefused: () => {
        meter.add(event({ value: 'again' }));
        throw new Error('callback');
      },
    });
    expect(meter.add(event({ value: 'wrong' }))).toBe(false);
    expect(meter.counters().refused.invalid_value).toBe(2);
  });

  it('logs the 1st, 2nd, 4th … refusal only', () => {
    const lines: string[] = [];
    const logger = pino({ level: 'info' }, { write: (line: string) => lines.push(line) });
    const meter = meterOver(new TestTransport(), { logger });
    for (let i = 0; i < 1_000; i++) meter.add(event({ value: 'wrong' }));
    expect(lines).toHaveLength(10);
    expect(JSON.parse(lines[9] ?? '')).toMatchObject({ reason: 'invalid_value', field: 'value', count: 512 });
  });

  it('keeps trying past the deadline of record, for as long as the meter is open', async () => {
    const transport = new TestTransport();
    transport.behave = away;
    const meter = meterOver(transport, { bounds: { deliveryMs: 1 } });
    meter.add(event());
    await vi.waitFor(() => expect(meter.counters().retries).toBeGreaterThan(3));
    expect(meter.counters()).toMatchObject({ failed: 0, buffered: 1 });
    transport.behave = () => Promise.resolve();
    await meter.flush();
    expect(meter.counters()).toMatchObject({ acknowledged: 1, buffered: 0 });
  });
});

describe('the bound of the buffer', () => {
  it.each([
    ['events', { bufferEvents: 5 }, 5],
    ['bytes', { bufferBytes: 1_000 }, 4],
  ])('in %s is hit visibly, and what waits is kept', async (_name, bounds, room) => {
    const transport = new TestTransport();
    const { send, open } = gate();
    transport.behave = send;
    const onRefused = vi.fn();
    const meter = meterOver(transport, { bounds, onRefused });
    const taken = Array.from({ length: 10 }, () => meter.add(event()));
    expect(taken).toEqual(Array.from({ length: 10 }, (_, i) => i < room));
    expect(meter.counters()).toMatchObject({
      accepted: room,
      buffered: room,
      refused: { buffer_full: 10 - room },
    });
    expect(onRefused).toHaveBeenCalledTimes(10 - room);
    const error = await errorOf(meter.record(event()));
    expect(error).toMatchObject({ code: 'buffer_full', canRetry: true });
    expect(error.event).not.toBeNull();
    open();
    await meter.flush();
    expect(meter.add(event())).toBe(true);
    expect(transport.delivered).toHaveLength(room);
  });
});

describe('an event that is too large for the broker', () => {
  it('is refused by name; its neighbours are delivered, each once', async () => {
    const transport = new TestTransport();
    const tooLarge = (each: UsageEvent) => each.id.startsWith('large');
    transport.behave = (events) =>
      events.some(tooLarge)
        ? Promise.reject(new TransportError('too_large', 'too large'))
        : Promise.resolve();
    const onRefused = vi.fn();
    const meter = meterOver(transport, { onRefused });
    const added = Array.from({ length: 20 }, (_, i) => (i % 7 === 3 ? `large-${i}` : `e-${i}`));
    for (const id of added) meter.add(event({ id, attrs: { a: 'x'.repeat(200) } }));
    const refused = await errorOf(meter.record(event({ id: 'large-record', source: 's'.repeat(200) })));
    expect(refused).toMatchObject({ code: 'refused', reason: 'too_large', field: 'source', canRetry: false });
    expect(transport.delivered.map(({ id }) => id)).toEqual(added.filter((id) => id.startsWith('e-')));
    expect(onRefused.mock.calls.map(([error]) => (error as MeterError).field)).toEqual([
      'attrs',
      'attrs',
      'attrs',
    ]);
    expect(meter.counters()).toMatchObject({
      accepted: 21,
      acknowledged: 17,
      refused: { too_large: 4 },
      retries: 0,
    });
  });
});

describe('flush', () => {
  it('waits for what was taken before it, and not for what comes after', async () => {
    const transport = new TestTransport();
    const meter = meterOver(transport, { bounds: { batchEvents: 1 } });
    meter.add(event({ id: 'before' }));
    const flushed = meter.flush();
    transport.behave = (events) =>
      events[0]?.id === 'before' ? Promise.resolve() : hangs([], new AbortController().signal);
    meter.add(event({ id: 'after' }));
    await flushed;
    expect(transport.delivered.map(({ id }) => id)).toEqual(['before']);
  });

  it('of nothing is done at once', async () => {
    await meterOver(new TestTransport()).flush();
  });

  it('says when something was not acknowledged', async () => {
    const transport = new TestTransport();
    transport.behave = away;
    const meter = meterOver(transport, { bounds: { deliveryMs: 30 } });
    const recorded = errorOf(meter.record(event()));
    expect(await errorOf(meter.flush())).toMatchObject({ code: 'not_acknowledged' });
    await recorded;
  });
});

describe('close', () => {
  it('delivers what is buffered, closes the transport, and takes no more', async () => {
    const transport = new TestTransport();
    const meter = meterOver(transport);
    meter.add(event());
    const counters = await meter.close();
    expect(counters).toMatchObject({ accepted: 1, acknowledged: 1, failed: 0 });
    expect(transport.closed).toBe(true);
    expect(meter.add(event())).toBe(false);
    expect(await errorOf(meter.record(event()))).toMatchObject({ code: 'closed', canRetry: false });
    expect(meter.counters().refused.closed).toBe(2);
    expect(await meter.close()).toEqual(counters);
  });

  it.each([
    ['is away', away],
    ['hangs', hangs],
  ])('gives up at its deadline while the transport %s, and says what is lost', async (_name, behave) => {
    const transport = new TestTransport();
    transport.behave = behave;
    const onRefused = vi.fn();
    const meter = meterOver(transport, { onRefused, ports: { random: () => 0.999 } });
    for (let i = 0; i < 3; i++) meter.add(event());
    const recorded = errorOf(meter.record(event()));
    await vi.waitFor(() => expect(transport.batches.length).toBeGreaterThan(0));
    expect(await meter.close({ deadlineMs: 20 })).toMatchObject({
      accepted: 4,
      acknowledged: 0,
      failed: 4,
      buffered: 0,
    });
    expect(await recorded).toMatchObject({ code: 'not_acknowledged' });
    expect(onRefused).toHaveBeenCalledTimes(3);
    expect(transport.closed).toBe(true);
  });

  it.each([
    ['memory', {}],
    ['spool', { delivery: 'spool' }],
  ] as const)('is over at its deadline while nothing answers and nothing closes: %s', async (_name, how) => {
    const folder = await mkdtemp(join(tmpdir(), 'meterhouse-close-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    onTestFinished(() => void vi.useRealTimers());
    const transport = new TestTransport();
    transport.behave = hangs;
    transport.close = () => new Promise(() => undefined);
    const meter = createMeter({
      source: 'test',
      adapter: overTransport(transport),
      spool: { folder },
      ...how,
    });
    meter.add(event());
    await vi.advanceTimersByTimeAsync(50);
    expect(transport.batches).toHaveLength(1);
    const closed = vi.fn();
    void meter.close({ deadlineMs: 500 }).then(closed);
    await vi.advanceTimersByTimeAsync(490);
    expect(closed).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(15);
    expect(closed).toHaveBeenCalledOnce();
  });

  it('is over at its deadline also when what it asks with never closes, and says so', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    onTestFinished(() => void vi.useRealTimers());
    const lines: string[] = [];
    const logger = pino({ level: 'warn' }, { write: (line: string) => lines.push(line) });
    const adapter = overTransport(new TestTransport());
    const meter = createMeter(
      { source: 'test', adapter: { ...adapter, close: () => new Promise(() => undefined) } },
      { logger },
    );
    const closed = vi.fn();
    void meter.close({ deadlineMs: 500 }).then(closed);
    await vi.advanceTimersByTimeAsync(505);
    expect(closed).toHaveBeenCalledOnce();
    expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual([
      'what the meter asks with was not closed in time',
    ]);
  });

  it('gives up a full buffer at once: each event by itself and in order, in few lines, and it adds up', async () => {
    const transport = new TestTransport();
    transport.behave = hangs;
    const lines: string[] = [];
    const logger = pino({ level: 'info' }, { write: (line: string) => lines.push(line) });
    const unbalanced: unknown[] = [];
    const refused: (string | undefined)[] = [];
    const meter = meterOver(transport, {
      logger,
      onRefused: ({ event: given }) => {
        refused.push(given?.id);
        const { accepted, failed, buffered } = meter.counters();
        if (accepted !== failed + buffered) unbalanced.push(meter.counters());
      },
    });
    const ids = Array.from({ length: 10_000 }, (_, index) => `e${index}`);
    const recorded = ids.map((id) => {
      meter.add(event({ id: `added-${id}` }));
      return errorOf(meter.record(event({ id })));
    });
    const flushed = errorOf(meter.flush());
    await meter.close({ deadlineMs: 0 });
    const rejections = await Promise.all(recorded);
    expect(rejections.map((error) => [error.code, error.event?.id])).toEqual(
      ids.map((id) => ['not_acknowledged', id]),
    );
    expect(refused).toEqual(ids.map((id) => `added-${id}`));
    expect(unbalanced).toEqual([]);
    expect((await flushed).message).toContain('20000');
    // The 1st, 2nd, 4th … 8,192nd.
    expect(lines.filter((line) => line.includes('"code":"not_acknowledged"'))).toHaveLength(14);
    // And one of the send that hung.
    expect(lines.length).toBeLessThanOrEqual(15);
  });
});

describe('recordMany', () => {
  it('records a long stream through a small buffer, and tells the outcome of each by its position', async () => {
    const transport = new TestTransport();
    const meter = meterOver(transport, { bounds: { bufferEvents: 10, batchEvents: 4 } });
    function* events() {
      for (let i = 0; i < 500; i++) yield event({ id: `e-${i}`, value: i % 100 === 50 ? 'wrong' : i });
    }
    const outcomes = new Map<number, string>();
    const totals = await meter.recordMany(events(), (index, outcome) => {
      expect(outcomes.has(index)).toBe(false);
      outcomes.set(index, outcome.kind);
      expect(meter.counters().buffered).toBeLessThanOrEqual(10);
    });
    expect(totals).toEqual({ acknowledged: 495, refused: 5, notAcknowledged: 0 });
    expect([...outcomes].filter(([, kind]) => kind === 'refused').map(([index]) => index)).toEqual([
      50, 150, 250, 350, 450,
    ]);
    expect(meter.counters().refused.buffer_full).toBe(0);
  });

  it('throws what the callback or the source throws, and goes on delivering what was taken', async () => {
    const transport = new TestTransport();
    const meter = meterOver(transport);
    const failing = (source: Iterable<UsageEventInput>, callback?: () => void) =>
      meter.recordMany(source, callback);
    await expect(
      failing([event(), event()], () => {
        throw new Error('from the callback');
      }),
    ).rejects.toThrow('from the callback');
    function* endless() {
      for (;;) yield event({ value: 'wrong' });
    }
    await expect(
      failing(endless(), () => {
        throw new Error('stop');
      }),
    ).rejects.toThrow('stop');
    function* broken() {
      yield event();
      throw new Error('from the source');
    }
    await expect(failing(broken())).rejects.toThrow('from the source');
    await meter.flush();
    expect(meter.counters()).toMatchObject({ accepted: 3, acknowledged: 3 });
  });

  it('ends when the meter is closed under it', async () => {
    const transport = new TestTransport();
    transport.behave = away;
    const meter = meterOver(transport, { bounds: { bufferEvents: 2 } });
    const recorded = meter.recordMany(Array.from({ length: 10 }, () => event()));
    await vi.waitFor(() => expect(meter.counters().buffered).toBe(2));
    await meter.close({ deadlineMs: 0 });
    expect(await recorded).toEqual({ acknowledged: 0, refused: 0, notAcknowledged: 10 });
  });
});

describe('whatever the transport does', () => {
  type Fate = 'ok' | 'away' | 'too_large' | 'lost answer' | 'throws';
  const fates = fc.array(fc.constantFrom<Fate>('ok', 'away', 'too_large', 'lost answer', 'throws'), {
    maxLength: 12,
  });

  it('every event is settled once, the counters balance, and an acknowledged event was delivered', async () => {
    await fc.assert(
      fc.asyncProperty(
        fates,
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 1, max: 8 }),
        async (plan, count, batchEvents) => {
          const transport = new TestTransport();
          const remaining = [...plan];
          transport.behave = (events) => {
            switch (remaining.shift() ?? 'ok') {
              case 'ok':
                return Promise.resolve();
              case 'away':
                return Promise.reject(new TransportError('unavailable', 'away'));
              case 'too_large':
                return Promise.reject(new TransportError('too_large', 'too large'));
              case 'lost answer':
                transport.delivered.push(...events);
                return Promise.reject(new TransportError('unavailable', 'no answer'));
              case 'throws':
                return Promise.reject(new TypeError('a defect in the transport'));
            }
          };
          const meter = meterOver(transport, {
            bounds: { batchEvents, lingerMs: 0 },
          });
          const outcomes = await Promise.allSettled(
            Array.from({ length: count }, (_, i) => meter.record(event({ id: `e-${i}` }))),
          );
          expectBalanced(meter);
          const delivered = new Set(transport.delivered.map(({ id }) => id));
          const acknowledged = outcomes.filter(({ status }) => status === 'fulfilled').length;
          outcomes.forEach(({ status }, i) => {
            if (status === 'fulfilled') expect(delivered).toContain(`e-${i}`);
          });
          expect(await meter.close()).toMatchObject({
            accepted: count,
            acknowledged,
            buffered: 0,
            bufferedBytes: 0,
          });
          expect(meter.counters().refused.too_large + meter.counters().acknowledged).toBe(count);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('an idle meter', () => {
  it('holds no timer that would keep the process alive', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const before = timers();
    const meter = meterOver(new TestTransport());
    await meter.record(event());
    await vi.waitFor(() => expect(timers()).toBeLessThanOrEqual(before));
  });
});
