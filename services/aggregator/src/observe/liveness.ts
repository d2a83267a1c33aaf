/**
 * Whether this worker moves, as /healthz asks it. A halted partition is not stuck: it waits for a person,
 * and a restart would only hold up the others. /readyz and a gauge say it.
 */
import type { ProgressWatch, PartProgress, Trouble } from '@meterhouse/runtime/service';
import type { WorkerStanding } from '../aggregator.ts';
import type { PartitionStanding } from './standing.ts';

const ASSIGNMENT = 'assignment';

/** What the watch is to look at. Postgres may know of a move that this worker did not make. */
export function partsOf(
  worker: WorkerStanding,
  stored: readonly PartitionStanding[],
): ReadonlyMap<string, PartProgress> {
  const inPostgres = new Map(stored.map((row) => [row.partition, row]));
  const parts = new Map<string, PartProgress>();
  const { given, settled } = worker.assignments;
  parts.set(ASSIGNMENT, { position: BigInt(settled), waiting: settled < given });
  for (const [partition, counted] of worker.positions) {
    const row = inPostgres.get(partition);
    if (row !== undefined && row.haltedReason !== null) continue;
    const position = max(counted, row?.nextOffset ?? 0n);
    const end = worker.ends.get(partition) ?? 0n;
    parts.set(`partition ${partition}`, { position, waiting: end > position });
  }
  return parts;
}

export function stuckParts(watch: ProgressWatch, nowMs: number): Trouble[] {
  return watch.stuck(nowMs).map(({ part, forMs, position }) => ({
    part,
    reason:
      part === ASSIGNMENT
        ? `partitions were given to this worker ${whole(forMs)} s ago and it has not begun with them`
        : `records wait and nothing was counted for ${whole(forMs)} s; it stands at offset ${position}`,
  }));
}

function whole(ms: number): number {
  return Math.round(ms / 1_000);
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
