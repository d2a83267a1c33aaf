import * as z from 'zod';

export const sumsOptions = z.strictObject({
  everyMs: z
    .int()
    .min(0)
    .max(60_000)
    .default(0)
    .describe(
      'How long amounts of the same tenant, metric, attributes and hour are added up before they go out as one event. 0: each is an event. Their metrics must be aggregated by `sum`, and a crash loses what is being added up.',
    ),
  maxSums: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(10_000)
    .describe('Sums that are kept at once; one more, and all of them go out at once.'),
});

export type SumsSettings = z.output<typeof sumsOptions>;
