import * as z from 'zod';

export const logOptions = () =>
  z.strictObject({
    level: z.enum(['debug', 'info']).default('info').describe('The level at which events are logged.'),
    file: z
      .string()
      .min(1)
      .optional()
      .describe('Appended to; stdout unless given. Rotation is the platform’s.'),
  });

export type LogOptions = z.output<ReturnType<typeof logOptions>>;
