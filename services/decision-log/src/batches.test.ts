/**
 * Guarantees of a batch: every record is in exactly one, in the order of the log; none is larger than the
 * bounds allow, except where one message is; each says where to go on, and the last where the chunk ends.
 */
import type { FetchedChunk } from '@meterhouse/kafka';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { batchesOf } from './batches.ts';

const chunks = fc
  .array(fc.record({ gap: fc.bigInt(0n, 3n), size: fc.option(fc.nat(30)) }), { minLength: 1, maxLength: 40 })
  .map((records): FetchedChunk => {
    let next = 100n;
    const fetched = records.map(({ gap, size }) => {
      const offset = next + gap;
      next = offset + 1n;
      return { offset, receivedAt: 0, payload: size === null ? null : Buffer.alloc(size) };
    });
    return { partition: 1, fromOffset: 100n, nextOffset: next + 2n, records: fetched };
  });

test('nothing is lost, doubled or moved, and the bounds hold', () => {
  fc.assert(
    fc.property(chunks, fc.integer({ min: 1, max: 7 }), fc.nat(60), (chunk, maxRows, maxBytes) => {
      const batches = batchesOf(chunk, { maxRows, maxBytes });
      expect(batches.flatMap(({ records }) => records)).toEqual(chunk.records);
      for (const { records } of batches) {
        expect(records.length).toBeLessThanOrEqual(maxRows);
        const bytes = records.reduce((sum, { payload }) => sum + (payload?.length ?? 0), 0);
        expect(records.length === 1 || bytes <= maxBytes).toBe(true);
      }
      const starts = batches.slice(1).map(({ records }) => records[0]?.offset);
      expect(batches.map(({ nextOffset }) => nextOffset)).toEqual([...starts, chunk.nextOffset]);
    }),
  );
});
