/** Events as Postgres keeps them where it is the way: JSON, in the outbox and in quarantine. */
import { eventFromJson, eventToJson, type UsageEvent } from '@meterhouse/usage';
import type { RecordOrigin } from '../flush/index.ts';
import type { DecodedRecord } from './check-records.ts';

/** What is counted directly has no message; this takes its place where the event has to wait. */
export function directRecord(event: UsageEvent, index: number, receivedAt: number): DecodedRecord {
  const payload = Buffer.from(eventToJson(event));
  return { origin: { offset: BigInt(index), receivedAt, payload, isDirect: true }, event };
}

export function decodeStored(origin: RecordOrigin): DecodedRecord {
  const decoded = eventFromJson(origin.payload?.toString() ?? '');
  return 'reason' in decoded ? { origin, refusal: decoded } : { origin, event: decoded };
}
