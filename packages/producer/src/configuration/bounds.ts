/** What the meter itself may hold and how long it may try. */
import * as z from 'zod';

const whole = (min: number, max: number) => z.int().min(min).max(max);

export const boundsOptions = z.strictObject({
  bufferEvents: whole(1, 10_000_000)
    .default(100_000)
    .describe('Events that may wait for their acknowledgement.'),
  bufferBytes: whole(1, 2 ** 32)
    .default(64 * 1024 * 1024)
    .describe('Their estimated size.'),
  batchEvents: whole(1, 100_000).default(1_000).describe('Events in one send.'),
  batchBytes: whole(1, 2 ** 26)
    .default(1024 * 1024)
    .describe('Estimated size of one send.'),
  lingerMs: whole(0, 60_000).default(5).describe('How long a batch waits for more.'),
  deliveryMs: whole(1, 86_400_000)
    .default(60_000)
    .describe('How long `record` waits for its acknowledgement.'),
  attemptMs: whole(1, 600_000).default(15_000).describe('How long one send may take.'),
});

export type MeterBounds = z.input<typeof boundsOptions>;
export type Bounds = z.output<typeof boundsOptions>;
