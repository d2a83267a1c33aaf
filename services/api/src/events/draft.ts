/** An event on its way in, before the producer has checked it. */

/** What is wrong with one event, in words for the one who sent it. */
export interface EventRefusal {
  readonly code: RefusalCode;
  /** As the sender names it: `ts` of an event is `time` of a CloudEvent. */
  readonly field: string;
  readonly detail: string;
}

export const REFUSAL_CODES = [
  'invalid_json',
  'invalid_event',
  'invalid_value',
  'unknown_tenant',
  'too_large',
] as const;
export type RefusalCode = (typeof REFUSAL_CODES)[number];

/** An event's fields, not yet checked; names are those of a usage event. */
export type DraftFields = Readonly<Record<string, unknown>>;

export interface EventDraft {
  readonly fields: DraftFields;
  /** Where the sender's form has other names than ours. */
  readonly fieldNames?: Readonly<Record<string, string>>;
}

export type Draft = EventDraft | EventRefusal;

export function isRefused(draft: Draft): draft is EventRefusal {
  return 'code' in draft;
}

export function refused(code: RefusalCode, field: string, detail: string): EventRefusal {
  return { code, field, detail };
}
