/** A kept decision, made again by the registry of then, and explained. */
import { PolicySet } from '../registry/policy-set.ts';
import { replayDecision, type DecisionRecord, type Difference, type Replay } from './decision-record.ts';
import { explain, type ExplainedStep } from './explain.ts';
import { Policies } from './policies.ts';
import { parseDecisionRecord } from './stored-record.ts';

/** What lists show of a kept decision, as its store has it beside the record. */
interface KeptColumns {
  readonly id: string;
  /** Epoch ms. */
  readonly at: number;
  readonly tenantId: string;
  readonly outcome: string;
  readonly reason: string;
  readonly correlationId: string;
  readonly actorType: string;
  readonly actorId: string;
  readonly registryVersion: bigint;
}

export interface KeptExplanation {
  readonly record: DecisionRecord;
  readonly steps: readonly ExplainedStep[];
  readonly message: string;
  /** Empty: it comes out the same, and its columns say what the record says. */
  readonly differences: readonly Difference[];
  /** Documents of then that this build cannot read; what depends on them denies. */
  readonly unreadableDocuments: number;
}

/** The record can be read, and the decision cannot be made again by it. */
export class UnrepeatableDecisionError extends Error {
  constructor(id: string, unreadableDocuments: number, cause: unknown) {
    const what = cause instanceof Error ? cause.message : String(cause);
    const why =
      unreadableDocuments === 0
        ? ''
        : `; ${unreadableDocuments} documents of the registry of then cannot be read by this build`;
    super(`decision ${id} cannot be made again: ${what}${why}`, { cause });
    this.name = 'UnrepeatableDecisionError';
  }
}

/**
 * @param kept.record parsed JSON, as it was stored
 * @param documentsAt the registry at a version
 * @throws UnreadableRecordError
 * @throws UnrepeatableDecisionError
 */
export async function explainKept(
  kept: { readonly row: KeptColumns; readonly record: unknown },
  documentsAt: (version: bigint) => Promise<Iterable<Parameters<PolicySet['stage']>[0]>>,
): Promise<KeptExplanation> {
  const record = parseDecisionRecord(kept.record);
  const version = BigInt(record.registryVersion);
  const set = new PolicySet();
  for (const document of await documentsAt(version)) set.stage(document);
  set.complete(version);
  const { decision, request, facts, differences } = replay(record, set);
  return {
    record,
    steps: explain(request, facts, decision),
    message: decision.message,
    differences: [...columnDifferences(kept.row, record), ...differences],
    unreadableDocuments: set.problems,
  };
}

function replay(record: DecisionRecord, set: PolicySet): Replay {
  try {
    return replayDecision(record, new Policies(set));
  } catch (error) {
    // decide() is total over what a record can hold: it throws only where it asks for more.
    throw new UnrepeatableDecisionError(record.id, set.problems, error);
  }
}

/** What lists show has to be what the record says. */
function columnDifferences(row: KeptColumns, record: DecisionRecord): Difference[] {
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
