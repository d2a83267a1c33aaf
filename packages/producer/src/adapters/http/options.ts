import * as z from 'zod';
import type { SecretFields } from '../../configuration/secret-fields.ts';

const SINK_FORMATS = ['meterhouse', 'lago', 'openmeter'] as const;

/** fetch takes no credentials in a URL, and a log would show them. */
const hasNoLogin = (url: string): boolean => {
  const { username, password } = new URL(url);
  return username === '' && password === '';
};

export const httpOptions = (secret: SecretFields) =>
  z.strictObject({
    url: z
      .url({ protocol: /^https?$/ })
      .refine(hasNoLogin, 'holds a login: give it as `key`')
      .describe('The sink’s address, such as `https://meterhouse.example.com`.'),
    path: z
      .string()
      .startsWith('/')
      .optional()
      .describe('Where it takes events, below the address; the format’s own unless given.'),
    key: secret.text.optional().describe('Sent as a bearer token.'),
    format: z.enum(SINK_FORMATS).default('meterhouse').describe('What it understands.'),
    valueProperty: z
      .string()
      .min(1)
      .max(64)
      .default('value')
      .describe('Property of an event that holds its value, where the format has only properties.'),
    batchSize: z.int().min(1).max(1_000).default(100).describe('Events in one request, at most.'),
    gzip: z
      .boolean()
      .optional()
      .describe(
        'Whether requests are compressed; only to Meterhouse unless given, as others may not read it.',
      ),
    breaker: z
      .strictObject({
        failures: z.int().min(1).max(1_000).default(5).describe('Failed requests in a row that open it.'),
        openMs: z.int().min(100).max(600_000).default(10_000).describe('How long it then sends none.'),
      })
      .prefault({}),
  });

export type HttpOptions = z.output<ReturnType<typeof httpOptions>>;
