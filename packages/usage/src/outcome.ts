/** Why an event waits in quarantine instead of being counted. The list is closed. */
export const QUARANTINE_REASONS = [
  /** The bytes are not an event in a schema that the registry knows. */
  'undecodable',
  /** The registry could not be asked for the schema in time; replay when it is back. */
  'schema_unavailable',
  /** A field is missing, too long, or holds what no event may hold. */
  'invalid_event',
  /** The value is not a decimal that the metric's scale and numeric(38, 9) can hold. */
  'invalid_value',
  'unknown_tenant',
  'unknown_metric',
  'wrong_unit',
  /** Older than the window that de-duplication covers: it could not be told from a repetition. */
  'too_old',
  'in_the_future',
  /** The id has been counted with other content. */
  'id_conflict',
] as const;

export type QuarantineReason = (typeof QUARANTINE_REASONS)[number];

/** What is wrong, with the field where there is one, in words that help the producer. */
export interface Refusal {
  readonly reason: QuarantineReason;
  readonly field: string | null;
  readonly detail: string;
}
