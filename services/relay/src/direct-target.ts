/**
 * Outbox → hour buckets, where there is no Kafka: rows leave the outbox in the transaction that counts
 * them, under the lane's lock. There is nothing in between that could be sent twice or in another order.
 */
import {
  countDirect,
  decodeStored,
  type CountingDeps,
  type DecodedRecord,
} from '@meterhouse/postgres/counting';
import { DIRECT_LANES } from '@meterhouse/postgres/flush';
import { lockLane, removeRows, type HeldLane, type OutboxRow } from '@meterhouse/postgres/outbox';
import type { Target } from './target.ts';

export interface DirectTargetOptions {
  readonly counting: CountingDeps;
  /** Something was counted. */
  readonly onCounted: () => void;
  readonly stopped: () => boolean;
}

export function directTarget(options: DirectTargetOptions): Target {
  return {
    open: (held) =>
      Promise.resolve({
        deliver: (rows) => count(options, held, rows),
        close: () => Promise.resolve(),
      }),
  };
}

async function count(
  { counting, onCounted, stopped }: DirectTargetOptions,
  held: HeldLane,
  rows: readonly OutboxRow[],
): Promise<boolean> {
  const outcome = await countDirect(counting, {
    records: rows.map(recordOf),
    lane: held.lane % DIRECT_LANES,
    within: async (client) =>
      (await lockLane(client, held)) && (await removeRows(client, held.lane, rows)) === rows.length,
    abandoned: stopped,
  });
  if (outcome?.kind !== 'committed') return false;
  onCounted();
  return true;
}

/** Received when the outbox had it: how long it waited there makes no event too old. */
function recordOf({ event, recordedAt }: OutboxRow, index: number): DecodedRecord {
  const payload = Buffer.from(event);
  return decodeStored({ offset: BigInt(index), receivedAt: recordedAt, payload, isDirect: true });
}
