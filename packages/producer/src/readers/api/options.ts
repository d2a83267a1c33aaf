import * as z from 'zod';
import type { SecretFields } from '../../configuration/secret-fields.ts';

export const apiOptions = (secret: SecretFields) =>
  z.strictObject({
    url: z.url().describe('The API’s address, such as `https://meterhouse.example.com`.'),
    key: secret.text.describe('API key; its role decides what may be asked.'),
  });

export type ApiOptions = z.output<ReturnType<typeof apiOptions>>;
