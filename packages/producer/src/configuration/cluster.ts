/** How to reach a Kafka cluster and its schema registry; events and snapshots may be on two of them. */
import * as z from 'zod';
import type { SecretFields } from './secret-fields.ts';

export const clusterOptions = (secret: SecretFields) => ({
  brokers: z
    .array(z.string().min(1))
    .min(1)
    .readonly()
    .describe('`host:port` of some brokers; the others are learned from them.'),
  schemaRegistryUrl: secret.url.describe('A schema registry that speaks Confluent’s API.'),
  tls: z
    .union([
      z.boolean(),
      z.strictObject({
        ca: z.string().min(1).exactOptional().describe('Who signed the brokers’ certificates, as PEM.'),
        cert: z.string().min(1).exactOptional().describe('What to show to brokers that ask, as PEM.'),
        key: z.exactOptional(secret.text).describe('Its private key, as PEM.'),
      }),
    ])
    .default(false)
    .describe('Whether to speak TLS; or the certificates to do it with.'),
  login: z
    .strictObject({
      mechanism: z.enum(['plain', 'scram-sha-256', 'scram-sha-512']).describe('SASL mechanism.'),
      username: z.string().min(1).describe('User.'),
      password: secret.text.describe('Password.'),
    })
    .optional(),
});
