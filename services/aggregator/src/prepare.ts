/** Stage one of the flush: decode. No store is touched, so it can run ahead. */
import { isRefusal, isUnknownSchema, type Decoder } from '@meterhouse/kafka';
import type { DecodedRecord } from '@meterhouse/postgres/counting';
import type { RecordOrigin } from '@meterhouse/postgres/flush';
import type { Refusal, UsageEvent } from '@meterhouse/usage';

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
