/**
 * Guarantee: of correlation ids, on a span of many flushes stands only one that all of them share.
 */
import type { BeginSpan } from '@meterhouse/runtime/tracing';
import { expect, test } from 'vitest';
import { beginPassingOn, type FlushTrace } from './flush-trace.ts';

test.each<[what: string, ids: (string | null)[], expected: string | undefined]>([
  ['all of one', ['c-1', 'c-1'], 'c-1'],
  ['of several', ['c-1', 'c-2'], undefined],
  ['of one and of none', ['c-1', null], undefined],
  ['of none', [null, null], undefined],
])('a span of flushes %s', (_what, ids, expected) => {
  const begun: Parameters<BeginSpan>[1][] = [];
  const span = { traceparent: null, run: <T>(work: () => T): T => work(), end: () => undefined };
  const flushes = ids.map((correlationId, nth): FlushTrace => {
    const spanId = `${nth + 1}`.padStart(16, '0');
    return { traceparent: `00-${'a'.repeat(32)}-${spanId}-01`, correlationId };
  });
  beginPassingOn(
    (_name, start) => {
      begun.push(start);
      return span;
    },
    'usage.mirror',
    flushes,
    { rows: 2 },
  );
  const [start] = begun;
  expect(start?.facts?.['meterhouse.correlation_id']).toBe(expected);
  expect(start?.facts?.['rows']).toBe(2);
  expect([...(start?.links?.values() ?? [])]).toEqual(flushes.map(({ traceparent }) => traceparent));
});
