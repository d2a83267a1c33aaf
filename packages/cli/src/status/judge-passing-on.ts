import { CLICKHOUSE_MIRROR } from '@meterhouse/postgres';
import type { LagReport, TailerReport } from '../lag/lag-report.ts';
import { LATE_SECONDS } from '../lag/lag-text.ts';
import { formatInstant, formatLength } from '../output/instants.ts';
import { counted } from '../output/numbers.ts';
import type { StatusFacts } from './facts.ts';
import { behind, note, ok, runbook, type Line } from './line.ts';

/** The name under which the publisher of snapshots follows the change log. */
const SNAPSHOTS = 'quota-snapshot';

interface Known {
  readonly part: string;
  readonly next: string;
  /** Said when nobody does it. */
  readonly idle: string;
  readonly isLed: (facts: StatusFacts) => boolean | null;
}

const KNOWN: Readonly<Record<string, Known>> = {
  [CLICKHOUSE_MIRROR]: {
    part: 'mirror',
    next: runbook('clickhouse-mirror-behind'),
    idle: 'nobody mirrors',
    isLed: (facts) => leadersOf(facts)?.mirror ?? null,
  },
  [SNAPSHOTS]: {
    part: 'snapshots',
    next: runbook('snapshots-behind'),
    idle: 'nobody leads',
    isLed: (facts) => leadersOf(facts)?.snapshots ?? null,
  },
};

/** The mirror and the snapshots are measured against counting: what is late there is said there. */
export function judgePassingOn(facts: StatusFacts, lag: LagReport | null): readonly Line[] {
  if (lag === null) return [];
  const lines = lag.tailers.map((tailer) => judgeTailer(tailer, facts, lag));
  const missing = Object.entries(KNOWN)
    .filter(([name]) => !lag.tailers.some((tailer) => tailer.name === name))
    .map(([, { part, idle }]) => note(part, `not begun yet: ${idle}`));
  return [...lines, ...missing];
}

function judgeTailer(tailer: TailerReport, facts: StatusFacts, lag: LagReport): Line {
  const known = KNOWN[tailer.name];
  const part = known?.part ?? tailer.name;
  const next = known?.next ?? runbook('lag-growing');
  const rows = counted(tailer.rowsBehind, 'flush', 'flushes');
  if (tailer.resyncing) return behind(part, 'it is starting again from the hour buckets', next);
  const isIdle = known?.isLed(facts) === false;
  const led = known !== undefined && isIdle ? `; ${known.idle}` : '';
  const { completeThrough } = tailer;
  if (completeThrough === null) return behind(part, `${rows} behind, and never complete yet${led}`, next);
  const behindMs = Math.max(0, (lag.completeThrough ?? completeThrough) - completeThrough);
  const says = `${rows} and ${formatLength(behindMs)} behind counting, complete through ${formatInstant(completeThrough)}${ageOf(part, facts)}${led}`;
  return behindMs > LATE_SECONDS * 1_000 || isIdle ? behind(part, says, next) : ok(part, says);
}

/** Of what enforcement points have, where the leader could be asked. */
function ageOf(part: string, { services }: StatusFacts): string {
  if (part !== 'snapshots') return '';
  for (const { health } of services)
    if (health.answers && health.value.snapshotAgeSeconds !== null)
      return `; published as of ${formatLength(health.value.snapshotAgeSeconds * 1_000)} ago`;
  return '';
}

function leadersOf({ postgres }: StatusFacts): { mirror: boolean; snapshots: boolean } | null {
  return postgres.answers ? (postgres.value.system?.leaders ?? null) : null;
}
