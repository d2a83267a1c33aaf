import { isRefusal, isUnknownSchema, type Decoder } from '@meterhouse/kafka';
import type { UsageEvent } from '@meterhouse/usage';
import { CommandError } from '../exit.ts';

const LEARN_MS = 10_000;

/**
 * Hands on the event, or null where the message is none; at once, unless its schema has to be asked for.
 * @throws CommandError when the schema cannot be had: whether it is an event cannot be said then
 */
export function decodeEvent(
  decoder: Decoder<UsageEvent>,
  message: Buffer | null,
  take: (event: UsageEvent | null) => void,
): Promise<void> | undefined {
  const outcome = decoder.decode(message);
  if (isUnknownSchema(outcome)) return learnAndDecode(decoder, message, outcome.unknownSchemaId, take);
  take(isRefusal(outcome) ? null : outcome);
  return undefined;
}

async function learnAndDecode(
  decoder: Decoder<UsageEvent>,
  message: Buffer | null,
  schemaId: number,
  take: (event: UsageEvent | null) => void,
): Promise<void> {
  await decoder.learn(schemaId, { deadlineMs: LEARN_MS });
  const outcome = decoder.decode(message);
  if (isUnknownSchema(outcome))
    throw new CommandError(
      `the schema registry does not give schema ${schemaId}`,
      'is it running? Without it the messages cannot be read',
    );
  take(isRefusal(outcome) ? null : outcome);
}
