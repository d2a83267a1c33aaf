/** The result of a run, its verdict, and how people read it. Pure. */
import { FLUSH_STEPS } from '@meterhouse/postgres/flush';
import type { LandedFault } from './executor.ts';
import { FAULT_KINDS } from './plan/plan.ts';
import type { Judgement, ProducerTotals } from './processes/messages.ts';

export interface RunResult {
  readonly seed: string;
  readonly seconds: number;
  readonly wanted: { readonly faults: number; readonly events: number };
  readonly landed: readonly LandedFault[];
  readonly missed: readonly string[];
  readonly producers: ProducerTotals;
  /** Aggregator processes that were started, the first ones included. */
  readonly workerStarts: number;
  readonly judgement: Judgement;
  /** Buckets in which ClickHouse differs from Postgres, by the system's own comparison. */
  readonly mirrorDifference: number;
  readonly mirrorFindings: readonly string[];
}

export interface Summary {
  readonly seed: string;
  readonly seconds: number;
  readonly events: {
    readonly acknowledged: number;
    readonly bad: number;
    readonly duplicates: number;
    readonly retries: number;
  };
  readonly faults: {
    readonly total: number;
    readonly byKind: Readonly<Record<string, number>>;
    readonly strikesByStep: Readonly<Record<string, number>>;
    readonly strikesByAction: Readonly<Record<string, number>>;
    readonly missed: readonly string[];
  };
  readonly workerStarts: number;
  readonly buckets: number;
  readonly watermark: { readonly probes: number; readonly lies: number };
  readonly lost: number;
  readonly double: number;
  readonly misplaced: number;
  /** Hour buckets. */
  readonly mismatchedBuckets: number;
  /** Buckets of the view over the days. */
  readonly mismatchedDays: number;
  readonly mirrorDifference: number;
  /** Why the run failed; empty when it passed. */
  readonly problems: readonly string[];
  readonly findings: readonly string[];
}

export function summarize(result: RunResult): Summary {
  const { judgement, landed, producers } = result;
  const strikes = landed.flatMap(({ fault }) => (fault.kind === 'failpoint' ? [fault] : []));
  const summary = {
    seed: result.seed,
    seconds: Math.round(result.seconds),
    events: {
      acknowledged: judgement.events,
      bad: judgement.bad,
      duplicates: producers.duplicates,
      retries: producers.retries,
    },
    faults: {
      total: landed.length,
      byKind: countBy(
        landed.map(({ fault }) => fault.kind),
        FAULT_KINDS,
      ),
      strikesByStep: countBy(
        strikes.map(({ step }) => step),
        FLUSH_STEPS,
      ),
      strikesByAction: countBy(strikes.map(({ action }) => action)),
      missed: result.missed,
    },
    workerStarts: result.workerStarts,
    buckets: judgement.buckets,
    watermark: { probes: judgement.watermarkProbes, lies: judgement.watermarkLies },
    lost: judgement.lost,
    double: judgement.double,
    misplaced: judgement.misplaced,
    mismatchedBuckets: judgement.mismatchedBuckets,
    mismatchedDays: judgement.mismatchedDays,
    // Two comparisons that share no code: the system's with Postgres, the oracle's with its own count.
    mirrorDifference: Math.max(result.mirrorDifference, judgement.mismatchedMirror),
    findings: [...judgement.findings, ...result.mirrorFindings],
  };
  return { ...summary, problems: problemsOf(summary, result) };
}

function problemsOf(
  summary: Omit<Summary, 'problems'>,
  { wanted, judgement, producers }: RunResult,
): string[] {
  const { faults, watermark } = summary;
  const rules: readonly (readonly [boolean, string])[] = [
    [summary.lost > 0, 'events were lost'],
    [summary.double > 0, 'events were counted or kept twice'],
    [summary.misplaced > 0, 'events ended in the wrong place'],
    [summary.mismatchedBuckets + summary.mismatchedDays > 0, 'buckets differ from the oracle'],
    [summary.mirrorDifference > 0, 'ClickHouse differs'],
    [watermark.lies > 0, 'the watermark promised what was not there'],
    [watermark.probes === 0, 'the watermark could not be tried once'],
    [
      judgement.events !== producers.acknowledged,
      `producers had ${producers.acknowledged} events acknowledged, the oracle heard of ${judgement.events}`,
    ],
    [summary.events.acknowledged < wanted.events, `fewer than ${wanted.events} events`],
    [faults.total < wanted.faults, `fewer than ${wanted.faults} faults`],
  ];
  const missing = [faults.byKind, faults.strikesByStep].flatMap((counts) =>
    Object.keys(counts).filter((name) => counts[name] === 0),
  );
  return [
    ...rules.filter(([broken]) => broken).map(([, words]) => words),
    ...(missing.length > 0 ? [`never landed: ${missing.join(', ')}`] : []),
  ];
}

/** @param names that stand in the answer also when they do not occur */
function countBy(list: readonly string[], names: readonly string[] = []): Record<string, number> {
  const counts: Record<string, number> = Object.fromEntries(names.map((name) => [name, 0]));
  for (const name of list) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

export function render(summary: Summary): string {
  const { events, faults, watermark } = summary;
  const line = (name: string, value: string): string => `  ${name.padEnd(20)} ${value}`;
  const number = (value: number): string => value.toLocaleString('en-US');
  const list = (counts: Readonly<Record<string, number>>): string =>
    Object.entries(counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ');
  return [
    `Fault run, seed ${summary.seed}, ${Math.floor(summary.seconds / 60)} min ${summary.seconds % 60} s`,
    line(
      'events',
      `${number(events.acknowledged)} acknowledged, distinct; ${number(events.bad)} of them bad on purpose`,
    ),
    line(
      'duplicates',
      `${number(events.duplicates)} sent again on purpose; ${number(events.retries)} sends repeated`,
    ),
    line('faults', number(faults.total)),
    ...Object.entries(faults.byKind).map(([kind, count]) => line(`  ${kind}`, number(count))),
    line('  strikes at', list(faults.strikesByStep)),
    line('  strikes by', list(faults.strikesByAction)),
    ...(faults.missed.length > 0 ? [line('  did not land', number(faults.missed.length))] : []),
    line('workers started', `${number(summary.workerStarts)} times`),
    line('watermark', `${number(watermark.probes)} probes, ${number(watermark.lies)} broken promises`),
    line('lost', number(summary.lost)),
    line('double', number(summary.double)),
    line('misplaced', number(summary.misplaced)),
    line(
      'mismatched buckets',
      `${number(summary.mismatchedBuckets)} of ${number(summary.buckets)} hour buckets; ${number(summary.mismatchedDays)} of the days`,
    ),
    line('mirror difference', number(summary.mirrorDifference)),
    ...summary.findings.map((finding) => `  ! ${finding}`),
    summary.problems.length === 0 ? 'PASSED' : `FAILED: ${summary.problems.join('; ')}`,
  ].join('\n');
}
