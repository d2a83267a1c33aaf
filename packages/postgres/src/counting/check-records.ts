/** Stage two of the flush: each decoded record against the registry. No store is touched, so it can run ahead. */
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
import type { AcceptedRecord, RecordOrigin, RefusedRecord } from '../flush/index.ts';

export type DecodedRecord =
  | { readonly origin: RecordOrigin; readonly event: UsageEvent }
  | { readonly origin: RecordOrigin; readonly refusal: Refusal };

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
