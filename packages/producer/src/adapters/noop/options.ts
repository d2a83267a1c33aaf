import * as z from 'zod';

export const noopOptions = () =>
  z.strictObject({
    checkEvents: z
      .boolean()
      .default(false)
      .describe('Refuse what no adapter would take, as the others do: for tests. It costs what they cost.'),
  });

export type NoopOptions = z.output<ReturnType<typeof noopOptions>>;
