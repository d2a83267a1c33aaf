/**
 * Counts quarantined events that a person asked to replay, through the same flush as everything else:
 * the quarantine is a source of its own, with one partition and its own next offset, so two workers
 * that replay at the same time cannot count an event twice.
 */
import type { Pool } from 'pg';
import {
  dedupPeriod,
  DIRECT_SOURCE,
  ensureProgress,
  readProgress,
  readReplayRequests,
  type RecordOrigin,
  type ReplayRequest,
} from '../flush/index.ts';
import type { DecodedRecord } from './check-records.ts';
import { checkNow, countRun, type Checked, type CountingDeps } from './count-run.ts';
import { decodeStored } from './stored-event.ts';

export const QUARANTINE_SOURCE = 'quarantine';
const PARTITION = 0;

export interface ReplayDeps extends CountingDeps {
  /** Of what came from Kafka. */
  readonly decode: (records: readonly RecordOrigin[]) => Promise<DecodedRecord[]>;
  /** The first period whose ids are still remembered; null when none has been forgotten. */
  readonly firstRememberedPeriod: () => Promise<number | null>;
  /** Where the rows have to have come from; null: from anywhere. */
  readonly from: string | null;
  readonly maxEvents: number;
  readonly maxBytes: number;
}

/**
 * Replays one batch of requested rows.
 * @returns how many rows have got an outcome; 0 when nothing was asked for
 */
export async function replayOnce(deps: ReplayDeps, abandoned: () => boolean): Promise<number> {
  const rows = await readReplayRequests(deps.pool, deps);
  if (rows.length === 0) return 0;
  const start = await position(deps.pool);
  const records = await decodeRows(deps, rows, start);
  const firstPeriod = await deps.firstRememberedPeriod();
  const result = await countRun(
    deps,
    {
      source: QUARANTINE_SOURCE,
      partition: PARTITION,
      fromOffset: start,
      nextOffset: start + BigInt(rows.length),
      check: async () => refuseForgotten(await checkNow(deps, records), firstPeriod),
      processedThrough: () => null,
      replayOf: new Map(rows.map((row, index) => [start + BigInt(index), row.id])),
    },
    abandoned,
  );
  return result?.kind === 'committed' ? rows.length : 0;
}

/** In the order of the rows. What was counted directly is kept in a form of its own. */
async function decodeRows(
  deps: ReplayDeps,
  rows: readonly ReplayRequest[],
  start: bigint,
): Promise<readonly DecodedRecord[]> {
  const origins = rows.map(({ source, receivedAt, payload }, index) => ({
    offset: start + BigInt(index),
    receivedAt,
    payload,
    ...(source === DIRECT_SOURCE ? { isDirect: true as const } : {}),
  }));
  const isDirect = (origin: RecordOrigin): boolean => origin.isDirect === true;
  const fromKafka = await deps.decode(origins.filter((origin) => !isDirect(origin)));
  const direct = origins.filter(isDirect).map(decodeStored);
  return [...fromKafka, ...direct].sort((a, b) => (a.origin.offset < b.origin.offset ? -1 : 1));
}

async function position(pool: Pool): Promise<bigint> {
  await ensureProgress(pool, QUARANTINE_SOURCE, [{ partition: PARTITION, offset: 0n }]);
  const progress = await readProgress(pool, QUARANTINE_SOURCE);
  return progress.find((row) => row.partition === PARTITION)?.nextOffset ?? 0n;
}

/**
 * An event whose ids of that time have been forgotten cannot be told from one that was counted then.
 * It stays where it is, for a person to discard.
 */
function refuseForgotten(checked: Checked, firstPeriod: number | null): Checked {
  if (firstPeriod === null) return checked;
  const forgotten = checked.accepted.filter((record) => dedupPeriod(record.event.ts) < firstPeriod);
  if (forgotten.length === 0) return checked;
  return {
    registry: checked.registry,
    accepted: checked.accepted.filter((record) => !forgotten.includes(record)),
    refused: [
      ...checked.refused,
      ...forgotten.map((record) => ({
        origin: record.origin,
        event: record.event,
        content: record.content,
        refusal: {
          reason: 'too_old' as const,
          field: 'ts',
          detail:
            'de-duplication has forgotten this time: it cannot be proved that the event was not counted',
        },
      })),
    ],
  };
}
