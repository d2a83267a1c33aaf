/** What a usage event is in this run, before and after it was sent. */

/** Where an event must end: in a bucket, or in quarantine under that reason. */
export type Fate =
  | 'counted'
  | 'undecodable'
  | 'invalid_event'
  | 'invalid_value'
  | 'unknown_tenant'
  | 'unknown_metric'
  | 'wrong_unit'
  | 'too_old'
  | 'in_the_future'
  | 'id_conflict';

export interface EventContent {
  readonly id: string;
  readonly tenantId: string;
  readonly metric: string;
  /** Decimal text. */
  readonly value: string;
  /** Epoch ms. */
  readonly ts: number;
  readonly unit: string | null;
  readonly attrs: Readonly<Record<string, string>>;
}

/** What is done to a message after the producer has checked it: no producer of ours would send these. */
export type Damage =
  | 'cut_short'
  | 'wrong_magic'
  | 'unknown_schema'
  | 'value_not_a_number'
  | 'value_with_exponent'
  | 'attribute_too_long';

export interface PlannedEvent {
  readonly event: EventContent;
  readonly fate: Fate;
  /** Sent under changing keys, so that a repetition may lie in another partition. */
  readonly spread: boolean;
  readonly damage: Damage | null;
}

/** What a producer tells the oracle, once the broker has acknowledged it. */
export interface Acknowledged {
  readonly event: EventContent;
  readonly fate: Fate;
  /** Hex SHA-256 of the message where its id cannot be read any more. */
  readonly payload: string | null;
  /** Epoch ms at which the acknowledgement was there: the broker had the event before. */
  readonly at: number;
}
