/** A kept decision, made again by the registry of then: what stops it, in the command's words. */
import type { DecisionRow } from '@meterhouse/postgres/decisions';
import {
  explainKept,
  parseDecisionRecord,
  UnreadableRecordError,
  UnrepeatableDecisionError,
  type DecisionRecord,
  type KeptExplanation,
} from '@meterhouse/quota';
import { CommandError } from '../exit.ts';

export interface Explanation extends KeptExplanation {
  readonly row: DecisionRow;
}

export function noSuchDecision(id: string): CommandError {
  return new CommandError(
    `no decision ${id} is kept`,
    'see "meterhouse decisions list"; those that were allowed are not published, old ones are forgotten',
  );
}

/**
 * @param documentsAt the registry at a version
 * @throws CommandError where it cannot be made again
 */
export async function explainDecision(
  kept: { readonly row: DecisionRow; readonly record: unknown },
  documentsAt: Parameters<typeof explainKept>[1],
): Promise<Explanation> {
  try {
    return { row: kept.row, ...(await explainKept(kept, documentsAt)) };
  } catch (error) {
    if (error instanceof UnrepeatableDecisionError)
      throw new CommandError(
        error.message,
        'it was made by another release, or its record was changed since',
        error,
      );
    throw unreadable(kept.row.id, error);
  }
}

export function readRecord(id: string, stored: unknown): DecisionRecord {
  try {
    return parseDecisionRecord(stored);
  } catch (error) {
    throw unreadable(id, error);
  }
}

function unreadable(id: string, error: unknown): unknown {
  if (!(error instanceof UnreadableRecordError)) return error;
  return new CommandError(
    `decision ${id}: ${error.message}`,
    'it was written by another release, or changed since; explain it with the release that wrote it',
    error,
  );
}
