/**
 * The lanes of the partitions that this member was last given. Every rebalance ends all lanes and
 * makes new ones from the progress rows: nothing of an older assignment survives in memory.
 */
import type { FetchedChunk, LogRange, TopicConsumer } from '@meterhouse/kafka';
import type { Pool } from '@meterhouse/postgres';
import { ensureProgress, readProgress } from '@meterhouse/postgres/flush';
import type { Logger } from '@meterhouse/runtime';
import { Lane, type LaneDeps } from './lane.ts';
import type { ConsumingObserver } from './observe/counting-observer.ts';
import { Rereading } from './rereading.ts';

const HEARTBEAT_EVERY_MS = 500;
/** A loss is found out within some of these, and a new leader is up to date. */
const REREAD_AFTER_MS = 1_000;

export interface AssignmentDeps {
  readonly pool: Pool;
  readonly topic: string;
  readonly logger: Logger;
  readonly lane: LaneDeps & { readonly observer: ConsumingObserver };
  /** What the broker has of the topic: where a partition that was never read starts. */
  readonly logRanges: () => Promise<ReadonlyMap<number, LogRange>>;
  readonly consumer: Pick<TopicConsumer, 'seek' | 'pause' | 'resume'>;
  readonly fail: (error: unknown) => void;
}

export class Assignment {
  readonly #deps: AssignmentDeps;
  #lanes = new Map<number, Lane>();
  readonly #committed = new Map<number, bigint>();
  readonly #rereading: Rereading;
  #generation = 0;
  /** Of the last assignment that has taken effect. */
  #settled = 0;
  #changing: Promise<void> = Promise.resolve();

  constructor(deps: AssignmentDeps) {
    this.#deps = deps;
    this.#rereading = new Rereading(deps.consumer, REREAD_AFTER_MS);
  }

  /** What this worker has counted of each partition it holds, as far as it is committed. */
  get positions(): ReadonlyMap<number, bigint> {
    return this.#committed;
  }

  get lanes(): ReadonlyMap<number, Lane> {
    return this.#lanes;
  }

  /** How many assignments there were, and how many of them have taken effect or been replaced. */
  get generations(): { readonly given: number; readonly settled: number } {
    return { given: this.#generation, settled: this.#settled };
  }

  /** Whether more would be taken now; when not, it is Postgres that we wait for, not the broker. */
  hasRoom(): boolean {
    return this.#deps.lane.budget.hasRoom();
  }

  counted(partition: number, nextOffset: bigint): void {
    if (this.#lanes.has(partition)) this.#committed.set(partition, nextOffset);
  }

  halted(partition: number, reason: string): void {
    this.#deps.logger.error(
      { partition, reason },
      'partition stopped: see docs/runbooks/partition-halted.md',
    );
    this.#committed.delete(partition);
    this.#rereading.leave(partition);
    this.#deps.consumer.pause(partition);
  }

  /** Records are missing before what was fetched: they are read again. */
  reread(partition: number, offset: bigint): void {
    this.#rereading.seek(partition, offset);
  }

  /** Called for every rebalance; the last one wins. */
  assign(partitions: readonly number[]): void {
    const generation = ++this.#generation;
    this.#deps.lane.observer.assigned(partitions);
    this.#changing = this.#changing
      .then(() => this.#change(generation, partitions))
      .then(() => {
        this.#settled = generation;
      })
      .catch((error: unknown) => {
        this.#deps.fail(error);
      });
  }

  /** Gives a chunk to its lane once there is room for it. The group's heartbeat goes on meanwhile. */
  async deliver(chunk: FetchedChunk, heartbeat: () => Promise<void>): Promise<void> {
    await beating(this.#changing, heartbeat);
    const { budget } = this.#deps.lane;
    while (!budget.hasRoom() && this.#lanes.has(chunk.partition)) await beating(budget.nextRoom(), heartbeat);
    this.#lanes.get(chunk.partition)?.offer(chunk);
  }

  async stop(): Promise<void> {
    this.#generation += 1;
    await this.#changing;
    await this.#stopLanes();
  }

  async #change(generation: number, partitions: readonly number[]): Promise<void> {
    await this.#stopLanes();
    if (generation !== this.#generation) return;
    const rows = await this.#progressOf(partitions);
    if (generation !== this.#generation) return;
    this.#deps.logger.info({ partitions }, 'partitions assigned');
    for (const partition of partitions) {
      const row = rows.get(partition);
      if (row === undefined) throw new Error(`${this.#deps.topic}/${partition} has no progress row`);
      if (row.haltedReason !== null) {
        this.halted(partition, row.haltedReason);
        continue;
      }
      // A pause outlives its reason: a person may have resumed the partition since.
      this.#deps.consumer.resume(partition);
      this.#lanes.set(partition, new Lane(this.#deps.lane, partition, row.nextOffset, this.#deps.fail));
      this.#committed.set(partition, row.nextOffset);
      this.#deps.consumer.seek(partition, row.nextOffset);
    }
  }

  async #progressOf(
    partitions: readonly number[],
  ): Promise<ReadonlyMap<number, { nextOffset: bigint; haltedReason: string | null }>> {
    const { pool, topic } = this.#deps;
    const known = new Set((await readProgress(pool, topic)).map((row) => row.partition));
    const fresh = partitions.filter((partition) => !known.has(partition));
    if (fresh.length > 0) {
      const ranges = await this.#deps.logRanges();
      await ensureProgress(
        pool,
        topic,
        fresh.map((partition) => ({ partition, offset: ranges.get(partition)?.low ?? 0n })),
      );
    }
    return new Map((await readProgress(pool, topic)).map((row) => [row.partition, row]));
  }

  async #stopLanes(): Promise<void> {
    const lanes = [...this.#lanes.values()];
    this.#lanes = new Map();
    this.#rereading.leaveAll();
    this.#committed.clear();
    await Promise.all(lanes.map((lane) => lane.stop()));
  }
}

/** Waits for a promise while telling the group that we live. Rejects when the group has moved on. */
async function beating(waiting: Promise<void>, heartbeat: () => Promise<void>): Promise<void> {
  const settled = waiting.then(() => 'settled' as const);
  for (;;) {
    await heartbeat();
    let timer: NodeJS.Timeout | undefined;
    const beat = new Promise<'beat'>((resolve) => {
      timer = setTimeout(resolve, HEARTBEAT_EVERY_MS, 'beat');
    });
    const first = await Promise.race([settled, beat]);
    clearTimeout(timer);
    if (first === 'settled') return;
  }
}
