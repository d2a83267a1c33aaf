/** Stages one and two of the flush: decode, check. No store is touched, so they can run ahead. */
import { isRefusal, isUnknownSchema, type Decoder } from '@meterhouse/kafka';
import type { AcceptedRecord, RecordOrigin, RefusedRecord } from '@meterhouse/postgres/flush';
import {
  checkEvent,
  contentDigest,
  eventKey,
  parseDecimal,
  type Refusal,
  type Registry,
  type UsageEvent,
  type Window,
} from '@meterhouse/usage';

export type DecodedRecord =
  | { readonly origin: RecordOrigin; readonly event: UsageEvent }
  | { readonly origin: RecordOrigin; readonly refusal: Refusal };

/**
 * Decodes records, asking the registry for schemas that were not met before.
 * @param learnDeadlineMs after which a schema that cannot be had quarantines its events: the registry
 *   being away must not stop the partition
 */
export async function decodeRecords(
  records: readonly RecordOrigin[],
  decoder: Decoder<UsageEvent>,
  learnDeadlineMs: number,
): Promise<DecodedRecord[]> {
  const decoded: DecodedRecord[] = [];
  for (const origin of records) {
    let outcome = decoder.decode(origin.payload);
    if (isUnknownSchema(outcome)) {
      await decoder.learn(outcome.unknownSchemaId, { deadlineMs: learnDeadlineMs });
      outcome = decoder.decode(origin.payload);
    }
    if (isUnknownSchema(outcome))
      decoded.push({ origin, refusal: schemaUnavailable(outcome.unknownSchemaId) });
    else if (isRefusal(outcome)) decoded.push({ origin, refusal: outcome });
    else decoded.push({ origin, event: outcome });
  }
  return decoded;
}

function schemaUnavailable(schemaId: number): Refusal {
  return {
    reason: 'schema_unavailable',
    field: null,
    detail: `schema ${schemaId} could not be had from the schema registry in time`,
  };
}

export interface CheckedRecords {
  readonly accepted: readonly AcceptedRecord[];
  readonly refused: readonly RefusedRecord[];
}

/** Checks decoded records against one version of the registry. Pure. */
export function checkRecords(
  records: readonly DecodedRecord[],
  registry: Registry,
  window: Window,
): CheckedRecords {
  const accepted: AcceptedRecord[] = [];
  const refused: RefusedRecord[] = [];
  for (const record of records) {
    const { origin } = record;
    if ('refusal' in record) {
      refused.push({ origin, refusal: record.refusal, event: null, content: null });
      continue;
    }
    const { event } = record;
    const outcome = checkEvent(event, registry, window, origin.receivedAt);
    if ('reason' in outcome) {
      const value = parseDecimal(event.value);
      refused.push({
        origin,
        refusal: outcome,
        event,
        content: contentDigest(event, typeof value === 'bigint' ? value : null),
      });
    } else {
      accepted.push({
        event,
        tenant: outcome.tenant,
        metric: outcome.metric,
        value: outcome.value,
        origin,
        key: eventKey(event.id),
        content: contentDigest(event, outcome.value),
      });
    }
  }
  return { accepted, refused };
}
