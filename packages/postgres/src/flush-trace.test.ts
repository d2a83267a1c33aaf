/**
 * Guarantees of what stands in a trace of correlation ids: only such as the API lets in, and on a span of many
 * flushes only one that all of them share.
 */
import { traceableCorrelation, type BeginSpan } from '@meterhouse/runtime/tracing';
import { expect, test } from 'vitest';
import { beginPassingOn, type FlushTrace } from './flush-trace.ts';

test.each(['order-7', 'A', '0af7651916cd43dd8448eb211c80319c', 'a.b:c@d/e_f', 'a'.repeat(128)])(
  '%s may stand in a trace',
  (text) => {
    expect(traceableCorrelation(text)).toBe(text);
  },
);

test.each([null, '', ' a', 'a b', '-a', 'a\n', 'a"', 'ä', 'a'.repeat(129)])('%j may not', (text) => {
  expect(traceableCorrelation(text)).toBe(null);
});

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
