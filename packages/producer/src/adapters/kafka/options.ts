import * as z from 'zod';
import { clusterOptions } from '../../configuration/cluster.ts';
import type { SecretFields } from '../../configuration/secret-fields.ts';

export const kafkaOptions = (secret: SecretFields) =>
  z.strictObject({
    ...clusterOptions(secret),
    topic: z.string().min(1).default('usage_events').describe('Topic of usage events.'),
  });

/** As it is written in an object. */
export type KafkaTarget = z.input<ReturnType<typeof kafkaOptions>>;
export type KafkaOptions = z.output<ReturnType<typeof kafkaOptions>>;
