/** From what was found to what it means: a verdict, and a line for each part. Pure. */
import { lagReport, type LagReport } from '../lag/lag-report.ts';
import type { StatusFacts } from './facts.ts';
import { judgeCounting } from './judge-counting.ts';
import { judgeKept } from './judge-kept.ts';
import { judgePassingOn } from './judge-passing-on.ts';
import { judgeServices } from './judge-services.ts';
import { judgeStores } from './judge-stores.ts';
import type { Line, State } from './line.ts';

export type Verdict = 'healthy' | 'behind' | 'needs a person';

export interface Status {
  readonly verdict: Verdict;
  /** Epoch ms. */
  readonly at: number;
  /** In the order of the way of an event; what is well among them. */
  readonly lines: readonly Line[];
  /** Null while Postgres cannot be asked. */
  readonly lag: LagReport | null;
}

const VERDICTS: Readonly<Record<State, Verdict>> = {
  ok: 'healthy',
  note: 'healthy',
  behind: 'behind',
  person: 'needs a person',
};
const WORST_FIRST: readonly State[] = ['person', 'behind', 'note', 'ok'];

export function judge(facts: StatusFacts): Status {
  const lag = lagOf(facts);
  const lines = [
    ...judgeStores(facts),
    ...judgeServices(facts),
    ...judgeCounting(facts, lag),
    ...judgePassingOn(facts, lag),
    ...judgeKept(facts),
  ];
  const worst = WORST_FIRST.find((state) => lines.some((line) => line.state === state)) ?? 'ok';
  return { verdict: VERDICTS[worst], at: facts.at, lines, lag };
}

function lagOf({ postgres, kafka, topic, at }: StatusFacts): LagReport | null {
  const system = postgres.answers ? postgres.value.system : null;
  if (system === null) return null;
  return lagReport({
    topic,
    ranges: kafka.answers ? kafka.value.ranges : null,
    progress: system.progress,
    tailers: system.tailers,
    quarantine: [],
    now: at,
  });
}
