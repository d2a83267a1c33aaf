/** Guarantee: of correlation ids, only such as the API lets in stand in a trace. */
import { expect, test } from 'vitest';
import { traceableCorrelation } from './span.ts';

test.each(['order-7', 'A', '0af7651916cd43dd8448eb211c80319c', 'a.b:c@d/e_f', 'a'.repeat(128)])(
  '%s may stand in a trace',
  (text) => {
    expect(traceableCorrelation(text)).toBe(text);
  },
);

test.each([null, '', ' a', 'a b', '-a', 'a\n', 'a"', 'ä', 'a'.repeat(129)])('%j may not', (text) => {
  expect(traceableCorrelation(text)).toBe(null);
});
