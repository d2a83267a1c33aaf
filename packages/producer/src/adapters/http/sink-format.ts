/** How a sink wants events, and what its answers mean. */
import type { UsageEvent } from '@meterhouse/usage';
import type { Rejection } from '../../transport.ts';

/** What became of an event: the sink has it, it is to be sent again, or it will never be taken. */
export type SinkOutcome = 'taken' | 'again' | Rejection;

export interface SinkAnswer {
  readonly status: number;
  readonly text: string;
}

export interface SinkFormat {
  readonly path: string;
  readonly contentType: string;
  readonly gzip: boolean;
  readonly body: (events: readonly UsageEvent[]) => string;
  /**
   * What an answer says of each event of the request, in order. Null: no more than its status says: all
   * taken, all to be sent again, or that the request holds something that will never be taken.
   */
  readonly outcomes: (answer: SinkAnswer, events: readonly UsageEvent[]) => readonly SinkOutcome[] | null;
}

export function isRejection(outcome: SinkOutcome): outcome is Rejection {
  return typeof outcome === 'object';
}

/** The JSON of an answer; undefined where it is none. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
