import * as z from 'zod';

const DAY_MS = 86_400_000;

export const spoolOptions = () =>
  z.strictObject({
    folder: z
      .string()
      .min(1)
      .describe('Folder of the spool’s files, on a local disk. Processes may share it.'),
    durability: z
      .enum(['process', 'power'])
      .default('process')
      .describe(
        'What a taken event outlives: the process, or the machine’s power too, at one disk write each.',
      ),
    maxBytes: z
      .int()
      .min(65_536)
      .max(2 ** 40)
      .default(1024 * 1024 * 1024)
      .describe('Of the events in a process’s file; above it none is taken.'),
    maxAgeMs: z
      .int()
      .min(1_000)
      .max(365 * DAY_MS)
      .default(7 * DAY_MS)
      .describe('While the oldest event has waited for longer, none is taken.'),
    atBound: z
      .enum(['refuse', 'wait'])
      .default('refuse')
      .describe(
        'What `record` does there: refuse at once, or wait for room as long as `deliveryMs`. `add` never waits.',
      ),
    drainEventsPerSecond: z
      .int()
      .min(1)
      .max(10_000_000)
      .default(20_000)
      .describe('How fast events go on to the transport, at most.'),
    adoptEveryMs: z
      .int()
      .min(100)
      .max(DAY_MS)
      .default(30_000)
      .describe('How often the files of processes that are gone are looked for.'),
  });

export type SpoolSettings = z.output<ReturnType<typeof spoolOptions>>;
