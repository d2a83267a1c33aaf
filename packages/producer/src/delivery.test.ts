/**
 * Guarantees of the delivery towards a receiver that says more than yes or no:
 *  - Events that it will never take are refused with its words, once each; the others of the batch are
 *    acknowledged and not sent again.
 *  - Where it does not say which, the delivery finds out, and nothing but those is refused.
 *  - It is not asked again before it wants to be; deadlines that come meanwhile are kept to.
 *  - What was not acknowledged in time says why the last attempt failed.
 *  - Every event is settled once, whatever mixture comes, and the counts add up.
 */
import type { UsageEvent } from '@meterhouse/usage';
import fc from 'fast-check';
import { pino } from 'pino';
import { expect, onTestFinished, test, vi } from 'vitest';
import { newTally } from './counters.ts';
import { Delivery } from './delivery.ts';
import type { MeterError } from './errors.ts';
import { TransportError, type Rejection, type Transport } from './transport.ts';

const event = (id: string): UsageEvent => ({
  id,
  tenantId: 'acme',
  metric: 'api.calls',
  value: '1',
  ts: 1_796_000_000_000,
  unit: null,
  source: 'test',
  attrs: {},
  correlationId: null,
  attribution: null,
});

type Send = (events: readonly UsageEvent[]) => Promise<void>;

function deliveryTo(send: Send, batchEvents = 100) {
  const tally = newTally();
  const sent: string[][] = [];
  const transport: Transport = {
    send: (events) => {
      sent.push(events.map(({ id }) => id));
      return send(events);
    },
    close: () => Promise.resolve(),
    remakes: () => 0,
  };
  const limits = {
    buffer: { maxEvents: 10_000, maxBytes: 1e8 },
    batch: { maxEvents: batchEvents, maxBytes: 1e7 },
    lingerMs: 0,
    attemptMs: 5_000,
  };
  const ports = { clock: () => performance.now(), random: () => 0, logger: pino({ level: 'silent' }) };
  const delivery = new Delivery(transport, limits, tally, ports);
  onTestFinished(() => delivery.close(0));
  const outcomes = new Map<string, MeterError | null>();
  const offer = (id: string, deadline = Number.POSITIVE_INFINITY): void => {
    const settle = (error: MeterError | null): void => {
      if (outcomes.has(id)) throw new Error(`${id} was settled twice`);
      outcomes.set(id, error);
    };
    delivery.offer({ event: event(id), deadline, settle });
  };
  return { delivery, offer, outcomes, sent, tally };
}

const rejects = (rejected: ReadonlyMap<number, Rejection>): Promise<void> =>
  Promise.reject(new TransportError('rejected', 'some will never be taken', { rejected }));

test('events that the receiver names are refused with its words; the others have arrived', async () => {
  const { delivery, offer, outcomes, sent, tally } = deliveryTo((events) =>
    rejects(
      new Map(
        events.flatMap(({ id }, index) =>
          id.startsWith('bad') ? [[index, { field: 'metric', detail: 'is not known' }]] : [],
        ),
      ),
    ),
  );
  for (const id of ['a', 'bad-1', 'b', 'bad-2', 'c']) offer(id);
  expect(await delivery.flush()).toBe(2);
  expect(sent).toEqual([['a', 'bad-1', 'b', 'bad-2', 'c']]);
  expect([...outcomes].filter(([, error]) => error === null).map(([id]) => id)).toEqual(['a', 'b', 'c']);
  expect(outcomes.get('bad-2')).toMatchObject({
    code: 'refused',
    reason: 'rejected',
    field: 'metric',
    canRetry: false,
  });
  expect(outcomes.get('bad-2')?.message).toContain('is not known');
  expect(tally).toMatchObject({ acknowledged: 3, retries: 0 });
  expect(tally.refused.rejected).toBe(2);
});

test('where the receiver does not say which, only those are refused that it does not take alone', async () => {
  const { delivery, offer, outcomes } = deliveryTo((events) =>
    events.some(({ id }) => id.startsWith('bad'))
      ? Promise.reject(new TransportError('rejected', 'a batch that cannot be read'))
      : Promise.resolve(),
  );
  for (const id of ['a', 'b', 'bad-1', 'c', 'd', 'e', 'bad-2']) offer(id);
  expect(await delivery.flush()).toBe(2);
  expect([...outcomes].filter(([, error]) => error !== null).map(([id]) => id)).toEqual(['bad-1', 'bad-2']);
});

test('the receiver is left alone for as long as it asks, and a deadline that comes meanwhile is kept', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  let busy = true;
  const { offer, outcomes, sent } = deliveryTo(() =>
    busy
      ? Promise.reject(new TransportError('unavailable', 'busy', { retryAfterMs: 30_000 }))
      : Promise.resolve(),
  );
  // Asked for last, so done first: the delivery closes by real time.
  onTestFinished(() => void vi.useRealTimers());
  offer('patient');
  offer('hurried', performance.now() + 5_000);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(sent).toHaveLength(1);
  busy = false;
  await vi.advanceTimersByTimeAsync(4_500);
  expect(outcomes.get('hurried')).toMatchObject({
    code: 'not_acknowledged',
    message: 'usage event hurried: not acknowledged in time; the last attempt: busy',
  });
  expect(sent).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(24_000);
  expect(sent).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(sent).toEqual([['patient', 'hurried'], ['patient']]);
  expect(outcomes.get('patient')).toBeNull();
});

test('whatever the receiver says, every event is settled once and the counts add up', async () => {
  type Fate = 'ok' | 'away' | 'too_large' | 'rejected' | 'some';
  const fates = fc.array(fc.constantFrom<Fate>('ok', 'away', 'too_large', 'rejected', 'some'), {
    maxLength: 12,
  });
  await fc.assert(
    fc.asyncProperty(
      fates,
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 9 }),
      async (plan, count, size) => {
        const remaining = [...plan];
        const arrived = new Set<string>();
        const { delivery, offer, outcomes, tally } = deliveryTo((events) => {
          const fate = remaining.shift() ?? 'ok';
          if (fate === 'away' || fate === 'too_large' || fate === 'rejected')
            return Promise.reject(new TransportError(fate === 'away' ? 'unavailable' : fate, fate));
          const refused = events.map((_, index) => fate === 'some' && index % 2 === 1);
          events.forEach(({ id }, index) => refused[index] === false && arrived.add(id));
          if (!refused.includes(true)) return Promise.resolve();
          return rejects(
            new Map(refused.flatMap((no, index) => (no ? [[index, { field: null, detail: 'no' }]] : []))),
          );
        }, size);
        for (let index = 0; index < count; index++) offer(`e-${index}`);
        await delivery.flush();
        expect(outcomes.size).toBe(count);
        for (const [id, error] of outcomes) expect(error === null).toBe(arrived.has(id));
        const { acknowledged, refused } = tally;
        expect(acknowledged + refused.too_large + refused.rejected).toBe(count);
      },
    ),
    { numRuns: 100 },
  );
});
