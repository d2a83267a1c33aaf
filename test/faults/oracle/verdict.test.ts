/**
 * Guarantees: the oracle calls
 *  - lost what is neither counted nor in quarantine
 *  - double what is counted twice, or counted and in quarantine
 *  - misplaced what is in quarantine though good, counted though bad, or held for another reason
 *  - nothing wrong when everything is in its place, also where two events under one id contradict
 *    each other, whichever of them was counted
 * and its buckets hold exactly what was counted.
 */
import { expect, test } from 'vitest';
import type { Acknowledged, Fate } from '../workload/planned-event.ts';
import { dedupKey, entryKey, Ledger } from './ledger.ts';
import { attrsText, bucketKey } from './totals.ts';
import { Places, settle } from './verdict.ts';

const HOUR = Date.UTC(2026, 5, 15, 12);
const CLEAN = { lost: 0, double: 0, misplaced: 0, findings: [] };

function acknowledged(id: string, fate: Fate, value = '5', ts = HOUR + 1): Acknowledged {
  return {
    event: {
      id,
      tenantId: 'acme',
      metric: 'llm.input_tokens',
      value,
      ts,
      unit: null,
      attrs: { model: 'small', host: 'h' },
    },
    fate,
    payload: null,
    at: HOUR,
  };
}

function judge(events: readonly Acknowledged[], place: (places: Places) => void) {
  const ledger = new Ledger();
  for (const event of events) ledger.add(event);
  const places = new Places();
  place(places);
  return settle(ledger, places, 10);
}

const key = (id: string): string => entryKey('acme', id);

test('what is where it belongs is clean, and its buckets are right', () => {
  const { outcomes, book } = judge(
    [acknowledged('a', 'counted', '5'), acknowledged('b', 'counted', '-1.5'), acknowledged('c', 'too_old')],
    (places) => {
      places.counted(key('a'));
      places.counted(key('b'));
      places.held(key('c'), { reason: 'too_old', value: '5', ts: HOUR });
    },
  );
  expect(outcomes).toEqual(CLEAN);
  expect([...book]).toEqual([
    [
      bucketKey('acme', 'llm.input_tokens', HOUR, attrsText({ model: 'small' })),
      {
        sum: 3_500_000_000n,
        count: 2n,
        min: -1_500_000_000n,
        max: 5_000_000_000n,
        latest: -1_500_000_000n,
        latestTs: HOUR + 1,
        latestId: 'b',
      },
    ],
  ]);
});

test.each(['counted', 'too_old'] as const)('what must be %s and is nowhere is lost', (fate) => {
  expect(judge([acknowledged('a', fate)], () => undefined).outcomes).toMatchObject({
    ...CLEAN,
    lost: 1,
    findings: [expect.stringContaining('lost')],
  });
});

test('what is counted twice is double', () => {
  const { outcomes } = judge([acknowledged('a', 'counted')], (places) => {
    places.counted(key('a'));
    places.counted(key('a'));
  });
  expect(outcomes).toMatchObject({ lost: 0, double: 1, misplaced: 0 });
});

test('what is counted and held is double', () => {
  const { outcomes } = judge([acknowledged('a', 'counted')], (places) => {
    places.counted(key('a'));
    places.held(key('a'), { reason: 'id_conflict', value: '5', ts: HOUR + 1 });
  });
  expect(outcomes).toMatchObject({ lost: 0, double: 1, misplaced: 0 });
});

test('what is in one place, but the wrong one, is misplaced', () => {
  const events = [
    acknowledged('good', 'counted'),
    acknowledged('bad', 'too_old'),
    acknowledged('other', 'too_old'),
    acknowledged('twice', 'too_old'),
  ];
  const held = { reason: 'too_old', value: '5', ts: HOUR + 1 };
  const { outcomes } = judge(events, (places) => {
    places.held(key('good'), held);
    places.counted(key('bad'));
    places.held(key('other'), { ...held, reason: 'wrong_unit' });
    places.held(key('twice'), held);
    places.held(key('twice'), held);
    places.stranger('an id that nobody was told of');
  });
  expect(outcomes).toMatchObject({ lost: 0, double: 0, misplaced: 5 });
});

test.each([
  ['the first', { value: '7', ts: HOUR + 2 }, 5_000_000_000n],
  ['the second', { value: '5.0', ts: HOUR + 1 }, 7_000_000_000n],
])('of a contradiction %s may have been counted; the other is held', (_which, held, sum) => {
  const pair = [acknowledged('a', 'counted', '5'), acknowledged('a', 'id_conflict', '7', HOUR + 2)];
  const { outcomes, book } = judge(pair, (places) => {
    places.counted(key('a'));
    places.held(key('a'), { reason: 'id_conflict', ...held });
  });
  expect(outcomes).toEqual(CLEAN);
  expect([...book.values()]).toMatchObject([{ sum, count: 1n }]);
});

test('of a contradiction both must be somewhere, and only one counted', () => {
  const pair = [acknowledged('a', 'counted', '5'), acknowledged('a', 'id_conflict', '7')];
  const lost = judge(pair, (places) => {
    places.counted(key('a'));
  });
  expect(lost.outcomes).toMatchObject({ lost: 1, double: 0 });
  const double = judge(pair, (places) => {
    places.counted(key('a'));
    places.counted(key('a'));
  });
  expect(double.outcomes).toMatchObject({ lost: 0, double: 1 });
});

test('ids are known by themselves where they are UUIDs, else by the head of their SHA-256', () => {
  const uuid = '01a20499-2ff0-7041-a328-e8ef5ce72efd';
  expect(dedupKey(uuid)).toBe(uuid);
  // printf order-1 | sha256sum
  expect(dedupKey('order-1')).toBe('0bafe221-56d2-698c-143b-86040446d366');
});
