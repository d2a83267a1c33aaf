/**
 * Processes that share a concurrency limit in a real Redis, told by when each believed that it held a
 * place: never more at once than the limit,
 *
 * - with many asking in parallel
 * - with one of them killed: its places come back by themselves
 * - with a holder frozen: whoever wakes up does not believe in what was given to others meanwhile
 * - with Redis frozen: whoever holds a place stops believing in it before Redis gives it away
 */
import { fork, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { LeasesOrder, LeasesReport } from './leases-process.testing.ts';
import { NO_REDIS_SERVER, startRedisServer } from './redis-server.testing.ts';

const PROCESSES = 4;
const LIMIT = 5;
const script = fileURLToPath(new URL('leases-process.testing.ts', import.meta.url));
const redis = await startRedisServer();
afterAll(() => redis?.kill());

interface Belief {
  readonly fromMs: number;
  untilMs: number;
}

class HoldingProcess {
  readonly #child: ChildProcess;
  readonly #beliefs = new Map<string, Belief>();
  #done: () => void = () => undefined;

  constructor() {
    this.#child = fork(script, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#child.on('message', (report: LeasesReport) => {
      if (report.kind === 'done') this.#done();
      else if (report.kind === 'held')
        this.#beliefs.set(report.id, { fromMs: report.atMs, untilMs: Infinity });
      else {
        const belief = this.#beliefs.get(report.id);
        if (belief !== undefined) belief.untilMs = report.atMs;
      }
    });
  }

  get beliefs(): readonly Belief[] {
    return [...this.#beliefs.values()];
  }

  order(order: LeasesOrder): Promise<void> {
    return new Promise((resolve, reject) => {
      const ended = (): void => reject(new Error(`a process ended instead of doing ${order.order}`));
      this.#child.once('exit', ended);
      this.#done = () => {
        this.#child.off('exit', ended);
        resolve();
      };
      this.#child.send(order);
    });
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(signal);
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
    const killedAtMs = Number(process.hrtime.bigint()) / 1e6;
    for (const belief of this.#beliefs.values()) belief.untilMs = Math.min(belief.untilMs, killedAtMs);
  }
}

/** The most that were held at any instant. */
function mostAtOnce(beliefs: readonly Belief[]): number {
  const turns = beliefs
    .filter(({ fromMs, untilMs }) => untilMs > fromMs)
    .flatMap(({ fromMs, untilMs }) => [
      { atMs: fromMs, by: 1 },
      { atMs: untilMs, by: -1 },
    ])
    .sort((a, b) => a.atMs - b.atMs || a.by - b.by);
  let held = 0;
  return turns.reduce((most, { by }) => Math.max(most, (held += by)), 0);
}

describe.skipIf(redis === null)(`a limit of ${LIMIT} ${redis === null ? NO_REDIS_SERVER : ''}`, () => {
  let processes: HoldingProcess[] = [];
  const all = (order: LeasesOrder): Promise<unknown> =>
    Promise.all(processes.map((each) => each.order(order)));
  const beliefs = (): Belief[] => processes.flatMap((each) => each.beliefs);

  beforeEach(async () => {
    processes = Array.from({ length: PROCESSES }, () => new HoldingProcess());
    const setting = {
      url: redis?.url ?? '',
      keyPrefix: `test:${randomUUID()}:`,
      limit: LIMIT,
      leaseMs: 1_500,
    };
    await all({ order: 'connect', setting });
  });
  afterEach(async () => {
    redis?.thaw();
    await Promise.all(processes.map((each) => each.kill()));
  });

  test('many in parallel', async () => {
    await all({ order: 'work', times: 100 });
    expect(beliefs()).toHaveLength(PROCESSES * 100);
    expect(mostAtOnce(beliefs())).toBe(LIMIT);
  });

  test('killed while holding: the places come back by themselves, and not before', async () => {
    const [dying, heir] = processes;
    await dying?.order({ order: 'hold', places: LIMIT });
    const inherited = heir?.order({ order: 'hold', places: LIMIT });
    await dying?.kill();
    await inherited;
    expect(mostAtOnce(beliefs())).toBe(LIMIT);
  });

  test('a holder frozen: what was given to others meanwhile it has no more', async () => {
    const [frozen, heir] = processes;
    await frozen?.order({ order: 'hold', places: LIMIT });
    frozen?.signal('SIGSTOP');
    await heir?.order({ order: 'hold', places: LIMIT });
    frozen?.signal('SIGCONT');
    await frozen?.order({ order: 'await_loss' });
    expect(mostAtOnce(beliefs())).toBe(LIMIT);
  });

  test('Redis frozen while places are held', async () => {
    const [first, second] = processes;
    await Promise.all([
      first?.order({ order: 'hold', places: 2 }),
      second?.order({ order: 'hold', places: 3 }),
    ]);
    redis?.freeze();
    await all({ order: 'await_loss' });
    redis?.thaw();
    await all({ order: 'work', times: 25 });
    expect(beliefs()).toHaveLength(LIMIT + PROCESSES * 25);
    expect(mostAtOnce(beliefs())).toBe(LIMIT);
  });
});
