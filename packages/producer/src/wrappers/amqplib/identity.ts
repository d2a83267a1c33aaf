/**
 * What RabbitMQ keeps of a message when it delivers it again: its properties and content. The delivery
 * tag is new each time. So the identity is the publisher's `messageId`, and the time the publisher's or
 * the broker's; both must be set by somebody.
 */
import { createHash } from 'node:crypto';
import type { ConsumeMessage } from 'amqplib';
import type { MessageIdentity } from '../messages/message-usage.ts';

export type WithoutMessageId = 'refuse' | 'digest';

export function identityOf(message: ConsumeMessage, policy: WithoutMessageId): MessageIdentity | null {
  const given: unknown = message.properties.messageId;
  const messageId = typeof given === 'string' && given !== '' ? given : null;
  const ts = timeOf(message, messageId);
  if (ts === null) return null;
  if (messageId !== null) return { id: `amqp:${messageId}`, ts };
  return policy === 'digest' ? { id: `amqp:${digestOf(message)}`, ts } : null;
}

/** The broker's own stamp (RabbitMQ's timestamp interceptor), the publisher's in seconds, or that of a UUIDv7. */
function timeOf({ properties }: ConsumeMessage, messageId: string | null): number | null {
  const stamped: unknown = properties.headers?.['timestamp_in_ms'];
  if (typeof stamped === 'number' && stamped > 0) return stamped;
  const seconds: unknown = properties.timestamp;
  if (typeof seconds === 'number' && seconds > 0) return seconds * 1_000;
  return messageId === null ? null : timeOfUuidv7(messageId);
}

const UUID_V7 = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i;

function timeOfUuidv7(id: string): number | null {
  const match = UUID_V7.exec(id);
  return match === null ? null : Number.parseInt(`${match[1]}${match[2]}`, 16);
}

function digestOf({ fields, properties, content }: ConsumeMessage): string {
  const hash = createHash('sha256');
  for (const text of [fields.exchange, fields.routingKey, String(properties.timestamp)])
    hash.update(`${Buffer.byteLength(text)}:${text}`);
  return hash.update(content).digest('hex');
}
