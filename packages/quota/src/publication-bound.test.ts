/**
 * Guarantee: the instant given for an offset is never after the message's true publication, however
 * far the reader lags; and once the reader keeps up it follows by one observation.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PublicationBound } from './publication-bound.ts';

test('messages that were there before we looked have no bound', () => {
  const bound = new PublicationBound();
  bound.observe(10n, 100);
  expect(bound.publishedAfter(9n)).toBe(-Infinity);
  expect(bound.publishedAfter(10n)).toBe(100);
});

test('never claims a later instant than the true one, and keeps up with a reader that does', () => {
  const steps = fc.array(
    fc.record({ published: fc.nat(5), elapsedMs: fc.integer({ min: 1, max: 50 }), read: fc.nat(6) }),
    { maxLength: 200 },
  );
  fc.assert(
    fc.property(steps, (list) => {
      const bound = new PublicationBound();
      const publishedAtMs: number[] = [];
      let now = 0;
      let next = 0;
      let lastAskedAtMs = 0;
      for (const step of list) {
        for (let i = 0; i < step.published; i++) publishedAtMs.push(now);
        now += step.elapsedMs;
        bound.observe(BigInt(publishedAtMs.length), now);
        for (let i = 0; i < step.read && next < publishedAtMs.length; i++, next++)
          expect(bound.publishedAfter(BigInt(next))).toBeLessThanOrEqual(publishedAtMs[next] ?? 0);
        lastAskedAtMs = now;
      }
      while (next < publishedAtMs.length) bound.publishedAfter(BigInt(next++));
      publishedAtMs.push(now);
      // Caught up: whatever comes next was published after the last mark that was kept.
      bound.observe(BigInt(next), lastAskedAtMs);
      expect(bound.publishedAfter(BigInt(next))).toBe(lastAskedAtMs);
    }),
  );
});
