/** Which faults strike when. Pure: the seed decides. */
import { FLUSH_STEPS } from '@meterhouse/postgres/flush';
import { Random } from '../random.ts';
import type { Fault, FaultKind, PlannedFault, Strike } from './fault.ts';

interface Share {
  /** Share of the faults beyond the first of each kind. */
  readonly weight: number;
  /** Roughly how long the system needs before the next blow says something new. */
  readonly pauseMs: number;
}

/** What takes the machine long (a broker's or a JVM's start) is rarer. */
const SHARES: Readonly<Record<FaultKind, Share>> = {
  failpoint: { weight: 30, pauseMs: 2_600 },
  worker_killed: { weight: 14, pauseMs: 2_600 },
  worker_frozen: { weight: 8, pauseMs: 3_500 },
  rolling_restart: { weight: 2, pauseMs: 6_000 },
  forced_rebalance: { weight: 7, pauseMs: 2_600 },
  postgres_restarted: { weight: 6, pauseMs: 3_000 },
  backends_terminated: { weight: 12, pauseMs: 1_500 },
  broker_killed: { weight: 3, pauseMs: 8_000 },
  broker_frozen: { weight: 4, pauseMs: 4_000 },
  clickhouse_frozen: { weight: 4, pauseMs: 2_000 },
  clickhouse_killed: { weight: 3, pauseMs: 2_500 },
  registry_killed: { weight: 1, pauseMs: 4_000 },
  duplicate_flood: { weight: 6, pauseMs: 2_500 },
};

export const FAULT_KINDS = Object.keys(SHARES) as FaultKind[];
/** The least number of faults in which every kind and every step of the flush has its place. */
export const LEAST_FAULTS = FAULT_KINDS.length - 1 + FLUSH_STEPS.length;
/** Faults that strike together with the one before. */
const TOGETHER = 0.12;
const WORKERS = 3;

export function planFaults(seed: string, count: number): readonly PlannedFault[] {
  if (count < LEAST_FAULTS) throw new RangeError(`a plan needs at least ${LEAST_FAULTS} faults`);
  const random = new Random(`${seed}/plan`);
  const nextStrike = strikes(random);
  const kinds = chooseKinds(random, count);
  return random.shuffled(kinds).map((kind) => ({
    fault: detail(kind, random, nextStrike),
    afterMs: random.chance(TOGETHER) ? 0 : Math.round(SHARES[kind].pauseMs * (0.5 + random.next())),
  }));
}

/** Milliseconds that the pauses of a plan add up to. */
export function pausesMs(plan: readonly PlannedFault[]): number {
  return plan.reduce((sum, { afterMs }) => sum + afterMs, 0);
}

/** Each kind once, a failpoint for each step, the rest by weight. */
function chooseKinds(random: Random, count: number): FaultKind[] {
  const kinds: FaultKind[] = [...FAULT_KINDS, ...FLUSH_STEPS.slice(1).map((): FaultKind => 'failpoint')];
  const weights = FAULT_KINDS.map((kind) => [kind, SHARES[kind].weight] as const);
  while (kinds.length < count) kinds.push(random.weighted(weights));
  return kinds;
}

const ROUND = ['kill', 'terminate', 'freeze', 'delay'] as const;

/**
 * Strikes without end. The first nine hit every step of the flush, the first 36 every step in every
 * way; a lost answer to COMMIT follows each nine.
 */
function strikes(random: Random): () => Strike {
  const first = random.between(0, ROUND.length - 1);
  let round = 0;
  let queue: Strike[] = [];
  return () => {
    if (queue.length === 0) {
      queue = random.shuffled(
        FLUSH_STEPS.map((step, index) => {
          const action = ROUND[(first + round + index) % ROUND.length] ?? 'kill';
          return { step, action, durationMs: strikeMs(action, random) };
        }),
      );
      queue.push({ step: 'before_commit', action: 'lose_answer', durationMs: 150 });
      round += 1;
    }
    const strike = queue.shift();
    if (strike === undefined) throw new Error('a round of strikes is never empty');
    return strike;
  };
}

/** A frozen worker sometimes outlasts idle_in_transaction_session_timeout (10 s), not only its session (3 s). */
function strikeMs(action: Strike['action'], random: Random): number {
  if (action === 'freeze') return random.chance(0.15) ? 12_000 : random.between(3_600, 5_500);
  return random.between(300, 2_000);
}

function detail(kind: FaultKind, random: Random, nextStrike: () => Strike): Fault {
  const worker = random.between(0, WORKERS - 1);
  switch (kind) {
    case 'worker_killed':
      return { kind, worker };
    case 'worker_frozen':
      return { kind, worker, durationMs: random.between(3_600, 6_000) };
    case 'rolling_restart':
      return { kind };
    case 'forced_rebalance':
      return { kind, durationMs: random.between(200, 1_500) };
    case 'failpoint':
      return { kind, worker, ...nextStrike() };
    case 'postgres_restarted':
      return { kind, durationMs: random.between(0, 1_500) };
    case 'backends_terminated':
      return { kind, share: random.pick([0.2, 0.5, 1]) };
    case 'broker_killed':
    case 'clickhouse_killed':
      return { kind, durationMs: random.between(0, 2_000) };
    case 'registry_killed':
      return { kind, worker, durationMs: random.between(3_000, 5_000) };
    case 'broker_frozen':
      return { kind, durationMs: random.between(1_000, 5_000) };
    case 'clickhouse_frozen':
      return { kind, durationMs: random.between(1_000, 6_000) };
    case 'duplicate_flood':
      return { kind, events: random.between(1_000, 4_000) };
    default:
      return kind satisfies never;
  }
}
