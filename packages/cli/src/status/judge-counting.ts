import type { LagReport, PartitionLag } from '../lag/lag-report.ts';
import { LATE_SECONDS } from '../lag/lag-text.ts';
import { formatInstant, formatLength } from '../output/instants.ts';
import { counted, withThousands } from '../output/numbers.ts';
import type { StatusFacts } from './facts.ts';
import { isSeen } from './judge-services.ts';
import { behind, note, ok, person, runbook, type Line } from './line.ts';

/** More are summed up: this is one screen. */
const MAX_PARTITIONS = 5;

export function judgeCounting(facts: StatusFacts, lag: LagReport | null): readonly Line[] {
  if (lag === null) return [];
  if (lag.partitions.length === 0) return [note('counting', 'nothing has been counted yet')];
  const halted = lag.partitions.filter((one) => one.haltedReason !== null);
  const lost = lag.partitions.filter((one) => one.haltedReason === null && isLost(one));
  const late = lag.partitions.filter(
    (one) => one.haltedReason === null && !isLost(one) && (one.secondsBehind ?? 0) > LATE_SECONDS,
  );
  const unknown = lag.partitions.filter((one) => one.nextOffset === null && one.eventsBehind > 0n);
  return [
    ...some(halted, (one) =>
      person(
        'counting',
        `partition ${one.partition} is halted: ${one.haltedReason ?? ''}`,
        runbook('partition-halted'),
      ),
    ),
    ...some(lost, (one) =>
      person(
        'counting',
        `partition ${one.partition}: Kafka’s log starts at ${withThousands(one.logStart)}, and ${withThousands(one.nextOffset ?? 0n)} is to be counted next`,
        runbook('partition-halted'),
      ),
    ),
    ...lateLine([...late, ...unknown], facts),
    whole(lag, facts, halted.length + lost.length + late.length + unknown.length),
  ];
}

/** One line for all: they are late together, by the same cause. */
function lateLine(late: readonly PartitionLag[], facts: StatusFacts): readonly Line[] {
  if (late.length === 0) return [];
  const numbers = late.slice(0, MAX_PARTITIONS).map(({ partition }) => partition);
  const which =
    late.length === 1
      ? `partition ${numbers.join()} is`
      : `${counted(late.length, 'partition')} (${numbers.join(', ')}${late.length > MAX_PARTITIONS ? ', …' : ''}) are`;
  const waiting = late.reduce((sum, { eventsBehind }) => sum + eventsBehind, 0n);
  const events = facts.kafka.answers ? `${counted(waiting, 'event')}, ` : '';
  const isUnknown = late.some(({ secondsBehind }) => secondsBehind === null);
  const seconds = isUnknown ? null : Math.max(...late.map(({ secondsBehind }) => secondsBehind ?? 0));
  const says = `${which} behind by ${events}${lengthOf(seconds)}`;
  const isCounted = isSeen('aggregator', facts);
  const say = isCounted ? behind : person;
  return [say('counting', isCounted ? says : `nobody counts: ${says}`, runbook('lag-growing'))];
}

/** The one line that is always there. */
function whole(lag: LagReport, facts: StatusFacts, inTrouble: number): Line {
  const through =
    lag.completeThrough === null
      ? 'not known to be complete through any instant yet'
      : `complete through ${formatInstant(lag.completeThrough)} (${lengthOf((facts.at - lag.completeThrough) / 1_000)} ago)`;
  const events = facts.kafka.answers ? `${counted(lag.eventsBehind, 'event')} behind, ` : '';
  const says = `${counted(lag.partitions.length, 'partition')}, ${events}${through}`;
  return inTrouble > 0 || lag.completeThrough === null ? note('counting', says) : ok('counting', says);
}

function isLost({ nextOffset, logStart }: PartitionLag): boolean {
  return nextOffset !== null && logStart > nextOffset;
}

function some(partitions: readonly PartitionLag[], say: (one: PartitionLag) => Line): readonly Line[] {
  const lines = partitions.slice(0, MAX_PARTITIONS).map(say);
  const last = lines.at(-1);
  const more = partitions.length - MAX_PARTITIONS;
  if (more <= 0 || last === undefined) return lines;
  return [...lines, { ...last, says: `and ${counted(more, 'more partition')}: see "meterhouse lag"` }];
}

function lengthOf(seconds: number | null): string {
  return seconds === null ? 'an unknown time' : formatLength(seconds * 1_000);
}
