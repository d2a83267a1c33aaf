/** What waits for somebody: the quarantine, decisions, webhooks; and where the audit log ends. */
import type { DecisionLogPartition, OpenQuarantine, WebhooksStand } from '@meterhouse/postgres';
import { formatLength } from '../output/instants.ts';
import { counted } from '../output/numbers.ts';
import { MAX_ROWS } from './ask-postgres.ts';
import type { StatusFacts } from './facts.ts';
import { behind, note, ok, person, runbook, type Line } from './line.ts';

/** What has waited for longer is known to somebody, or it would have been looked at by now. */
const NEW_MS = 15 * 60_000;
/** The service looks at its partitions every 5 s. */
const DECISIONS_LATE_MS = 60_000;
/** A delivery that is due is tried within seconds. */
const DELIVERIES_LATE_MS = 60_000;

export function judgeKept({ postgres, at }: StatusFacts): readonly Line[] {
  const system = postgres.answers ? postgres.value.system : null;
  if (system === null) return [];
  return [
    judgeQuarantine(system.quarantine, at),
    judgeDecisions(system.decisions, at),
    ...judgeWebhooks(system.webhooks, at),
    system.audit.seq === 0n
      ? ok('audit log', 'empty')
      : ok('audit log', `ends with row ${system.audit.seq}, hash ${system.audit.hash.slice(0, 16)}…`),
  ];
}

function judgeQuarantine(open: readonly OpenQuarantine[], at: number): Line {
  if (open.length === 0) return ok('quarantine', 'nothing waits');
  const ordered = [...open].sort((a, b) => b.events - a.events);
  const reasons = ordered.map(({ reason, events }) => `${reason} ${upTo(events)}`).join(', ');
  const oldest = Math.min(...open.map((one) => one.oldest.getTime()));
  const newest = Math.max(...open.map((one) => one.newest.getTime()));
  const says = `${reasons}; the first since ${formatLength(at - oldest)}, the last since ${formatLength(at - newest)}`;
  return at - newest <= NEW_MS
    ? person('quarantine', `it grows: ${says}`, runbook('quarantine-growing'))
    : note('quarantine', says, 'meterhouse quarantine list');
}

function judgeDecisions(partitions: readonly DecisionLogPartition[], at: number): Line {
  const next = runbook('decisions-behind');
  if (partitions.length === 0) return ok('decisions', 'not in use');
  const lost = partitions.filter((one) => one.lost).map(({ partition }) => partition);
  if (lost.length > 0)
    return person('decisions', `Kafka no longer holds what comes next of partition ${lost.join(', ')}`, next);
  const waiting = partitions.reduce((sum, one) => sum + one.behind, 0n);
  const oldest = Math.min(...partitions.map((one) => one.completeThrough?.getTime() ?? 0));
  const looked = Math.max(...partitions.map((one) => one.lookedAt.getTime()));
  const says =
    oldest === 0
      ? `${counted(waiting, 'decision')} behind, never complete yet`
      : `${counted(waiting, 'decision')} behind, complete through ${formatLength(at - oldest)} ago`;
  if (at - looked > DECISIONS_LATE_MS)
    return person('decisions', `nobody has looked since ${formatLength(at - looked)}; ${says}`, next);
  return at - oldest > DECISIONS_LATE_MS ? behind('decisions', says, next) : ok('decisions', says);
}

function judgeWebhooks(stand: WebhooksStand, at: number): readonly Line[] {
  const next = runbook('webhooks-failing');
  if (stand.subscriptions === 0) return [ok('webhooks out', 'nobody subscribes')];
  const says = [
    counted(stand.subscriptions, 'subscription'),
    `${upTo(stand.pending)} waiting`,
    `${upTo(stand.dead)} given up`,
    ...(stand.switchedOff > 0 ? [`${stand.switchedOff} switched off`] : []),
  ].join(', ');
  const lines: Line[] = [];
  if (stand.full > 0)
    lines.push(
      person('webhooks out', `new events find no room at ${counted(stand.full, 'subscription')}`, next),
    );
  if (stand.overdueSince !== null && at - stand.overdueSince.getTime() > DELIVERIES_LATE_MS)
    lines.push(
      behind('webhooks out', `due since ${formatLength(at - stand.overdueSince.getTime())}: ${says}`, next),
    );
  else if (stand.lastDead !== null && at - stand.lastDead.getTime() <= NEW_MS)
    lines.push(person('webhooks out', `just given up on deliveries: ${says}`, next));
  else if (stand.dead > 0 || stand.switchedOff > 0) lines.push(note('webhooks out', says, next));
  else lines.push(ok('webhooks out', says));
  return lines;
}

/** A count that was not carried on to its end says so. */
function upTo(events: number): string {
  return `${events.toLocaleString('en-US')}${events >= MAX_ROWS ? ' or more' : ''}`;
}
