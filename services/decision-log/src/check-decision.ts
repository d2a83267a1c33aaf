/** What a message must say to be kept as a decision. The rest of its record is for the replay to judge. */
import { isRefusal, type PublishedDecision } from '@meterhouse/kafka';
import type { KeptDecision, UnreadableDecision } from '@meterhouse/postgres/decisions';
import type { Refusal } from '@meterhouse/usage';
import { z } from 'zod';

const MAX_DETAIL = 1_000;
/** The largest instant of a Date. */
const MAX_EPOCH_MS = 8_640_000_000_000_000;

/** Postgres cannot store NUL, and a broken surrogate would change on its way there. */
const text = (maxLength: number) =>
  z
    .string()
    .min(1)
    .max(maxLength)
    .refine((value) => !value.includes('\0') && value.isWellFormed(), 'must be text without NUL');

const record = z.looseObject({
  id: z.uuid(),
  at: z.int().min(0).max(MAX_EPOCH_MS),
  request: z.looseObject({
    tenantId: text(256),
    correlationId: text(256),
    actor: z.looseObject({ type: text(256), id: text(256) }),
  }),
  registryVersion: z.string().regex(/^[0-9]{1,15}$/, 'must be a whole number'),
  outcome: z.enum(['allow', 'deny', 'warn']),
  reason: text(64),
});

export type Checked = { readonly decision: KeptDecision } | Pick<UnreadableDecision, 'reason' | 'detail'>;

/** @param read what the decoder gave */
export function checkDecision(read: PublishedDecision | Refusal): Checked {
  if (isRefusal(read)) return unreadable('undecodable', read.detail);
  const parsed = record.safeParse(read.record);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return unreadable('invalid_record', `${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
  }
  const { id, at, request, registryVersion, outcome, reason } = parsed.data;
  const { tenantId, correlationId, actor } = request;
  const said = { id, at, outcome, reason, tenantId, correlationId, registryVersion: BigInt(registryVersion) };
  for (const field of Object.keys(said) as (keyof typeof said)[])
    if (said[field] !== read[field])
      return unreadable('invalid_record', `${field}: the message says something else than its record`);
  return {
    decision: {
      ...said,
      actorType: actor.type,
      actorId: actor.id,
      record: JSON.stringify(read.record),
    },
  };
}

function unreadable(reason: 'undecodable' | 'invalid_record', detail: string): Checked {
  return { reason, detail: asDetail(detail) };
}

/** As the store takes it. */
export function asDetail(text: string): string {
  return text.replaceAll('\0', '').toWellFormed().slice(0, MAX_DETAIL).toWellFormed();
}
