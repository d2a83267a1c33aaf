/** A kept decision, made again by the registry of then. */
import type { StoredDocument } from '@meterhouse/postgres';
import type { DecisionRow } from '@meterhouse/postgres/decisions';
import {
  explain,
  parseDecisionRecord,
  Policies,
  PolicySet,
  replayDecision,
  UnreadableRecordError,
  type DecisionRecord,
  type Difference,
  type ExplainedStep,
  type Replay,
} from '@meterhouse/quota';
import { CommandError } from '../exit.ts';

export interface Explanation {
  readonly row: DecisionRow;
  readonly record: DecisionRecord;
  readonly steps: readonly ExplainedStep[];
  readonly message: string;
  /** Empty: it comes out the same. */
  readonly differences: readonly Difference[];
  /** Documents of then that this build cannot read; what depends on them denies. */
  readonly unreadableDocuments: number;
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
  documentsAt: (version: bigint) => Promise<readonly StoredDocument[]>,
): Promise<Explanation> {
  const { row } = kept;
  const record = readRecord(row.id, kept.record);
  const version = BigInt(record.registryVersion);
  const set = new PolicySet();
  for (const document of await documentsAt(version)) set.stage(document);
  set.complete(version);
  const { decision, request, facts, differences } = replay(record, new Policies(set), set.problems);
  return {
    row,
    record,
    steps: explain(request, facts, decision),
    message: decision.message,
    differences: [...columnDifferences(row, record), ...differences],
    unreadableDocuments: set.problems,
  };
}

export function readRecord(id: string, stored: unknown): DecisionRecord {
  try {
    return parseDecisionRecord(stored);
  } catch (error) {
    if (!(error instanceof UnreadableRecordError)) throw error;
    throw new CommandError(
      `decision ${id}: ${error.message}`,
      'it was written by another release, or changed since; explain it with the release that wrote it',
      error,
    );
  }
}

function replay(record: DecisionRecord, policies: Policies, unreadable: number): Replay {
  try {
    return replayDecision(record, policies);
  } catch (error) {
    // decide() is total over what a record can hold: it throws only where it asks for more.
    const what = error instanceof Error ? error.message : String(error);
    const why =
      unreadable === 0
        ? ''
        : `; ${unreadable} documents of the registry of then cannot be read by this build`;
    throw new CommandError(
      `decision ${record.id} cannot be made again: ${what}${why}`,
      'it was made by another release, or its record was changed since',
      error,
    );
  }
}

/** What lists show has to be what the record says. */
export function columnDifferences(row: DecisionRow, record: DecisionRecord): Difference[] {
  const { request } = record;
  const pairs: readonly (readonly [string, string, string])[] = [
    ['id', row.id, record.id.toLowerCase()],
    ['at', new Date(row.at).toISOString(), new Date(record.at).toISOString()],
    ['tenant', row.tenantId, request.tenantId],
    ['outcome', row.outcome, record.outcome],
    ['reason', row.reason, record.reason],
    ['correlation id', row.correlationId, request.correlationId],
    ['actor', `${row.actorType} ${row.actorId}`, `${request.actor.type} ${request.actor.id}`],
    ['registry version', row.registryVersion.toString(), record.registryVersion],
  ];
  return pairs
    .filter(([, column, recorded]) => column !== recorded)
    .map(([field, column, recorded]) => ({
      field: `${field} (column)`,
      recorded: column,
      replayed: recorded,
    }));
}
