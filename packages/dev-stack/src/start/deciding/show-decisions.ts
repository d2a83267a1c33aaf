/** Asks a gate in this process what the demonstration's tenants may do, and shows each answer and its reason. */
import { pino } from 'pino';
import { createGate, postgresCapacity, type Gate } from '@meterhouse/gate';
import { createRegistry, TOPICS } from '@meterhouse/kafka';
import { createPool } from '@meterhouse/postgres';
import type { Decision } from '@meterhouse/quota';
import { readSnapshots } from '@meterhouse/quota/reader';
import { Releases, waitFor } from '@meterhouse/runtime';
import { formatDecimal } from '@meterhouse/usage';
import type { JobTools } from '../demo-job.ts';
import type { Palette } from '../screen/palette.ts';
import { tableLines } from '../screen/table.ts';
import { withThousands } from '../screen/words.ts';
import { section } from '../show-results.ts';
import { FIRST_LAUNCH, QUESTIONS, STALE_LAUNCH, type DemoQuestion } from './questions.ts';

const DEADLINE_MS = 60_000;
const CAPACITY_TTL_MS = 60_000;

interface Answered {
  readonly asked: DemoQuestion;
  readonly decision: Decision;
}

export async function showDecisions(tools: JobTools): Promise<void> {
  const { screen } = tools;
  const releases = new Releases();
  try {
    const gate = await openGate(tools, releases);
    const answered = await askAll(gate, tools);
    section(screen, 'Deciding', answerLines(answered, screen.paint));
  } finally {
    await releases.releaseAll();
  }
}

async function openGate({ system }: JobTools, releases: Releases): Promise<Gate> {
  const logger = pino({ level: 'silent' });
  const reader = readSnapshots({
    kafka: system.kafka,
    registry: createRegistry(system.endpoints.schemaRegistry),
    topic: TOPICS.usageSnapshots,
    logger,
  });
  releases.add('the snapshots', () => reader.close());
  await reader.ready({ deadlineMs: DEADLINE_MS });
  const pool = createPool({
    url: system.endpoints.postgres,
    role: 'meterhouse_gate',
    applicationName: 'meterhouse-start-gate',
    max: 2,
  });
  releases.add('the capacity pools', () => pool.end());
  return createGate({
    snapshots: reader,
    capacity: postgresCapacity({ pool, ttlMs: CAPACITY_TTL_MS, logger }),
  });
}

async function askAll(gate: Gate, { system }: JobTools): Promise<readonly Answered[]> {
  // What was heard live, with the registry and usage of the day in it.
  await waitFor('an answer that is not stale', () => (isStale(gate) ? undefined : true), {
    deadlineMs: DEADLINE_MS,
  });
  const first = await gate.admit(FIRST_LAUNCH.question);
  const answered: Answered[] = [{ asked: FIRST_LAUNCH, decision: first.decision }];
  try {
    for (const asked of QUESTIONS) {
      const admission = await gate.admit(asked.question);
      answered.push({ asked, decision: admission.decision });
      // The demonstration does no work.
      await admission.release();
    }
  } finally {
    await first.release();
  }
  await whilePaused(system.pidOf('quota-snapshot'), async () => {
    await waitFor('the snapshots to be too old', () => (isStale(gate) ? true : undefined), {
      deadlineMs: DEADLINE_MS,
    });
    answered.push({ asked: STALE_LAUNCH, decision: gate.look(STALE_LAUNCH.question) });
  });
  return answered;
}

function isStale(gate: Gate): boolean {
  return gate.look(STALE_LAUNCH.question).reason === 'stale_snapshot';
}

async function whilePaused(pid: number, work: () => Promise<void>): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  try {
    await work();
  } finally {
    process.kill(pid, 'SIGCONT');
  }
}

function answerLines(answered: readonly Answered[], paint: Palette): string[] {
  const colour = { allow: paint.good, warn: paint.warn, deny: paint.bad };
  return tableLines(
    [
      { title: 'who', align: 'left' },
      { title: 'what', align: 'left' },
      { title: 'answer', align: 'left' },
      { title: 'reason', align: 'left' },
      { title: 'because', align: 'left' },
    ],
    answered.map(({ asked, decision }) => [
      asked.who,
      asked.what,
      colour[decision.outcome](decision.outcome),
      decision.enforced ? decision.reason : `${decision.reason} (recorded only)`,
      paint.dim(because(decision)),
    ]),
  );
}

function because(decision: Decision): string {
  const { quota, reason, retryAfterMs, evidence, entitledBy, matchedRules } = decision;
  if ((reason === 'quota_exhausted' || reason === 'quota_warning') && quota !== null) {
    const { scope, metric, period, value } = quota.ceiling;
    const [used, all] = [quota.used, value].map((amount) => withThousands(formatDecimal(amount)));
    return `${scope} used ${used} of ${all} ${metric} a ${period}`;
  }
  if (reason === 'no_capacity')
    return retryAfterMs === null
      ? 'all of it is held'
      : `frees in ${Math.ceil(retryAfterMs / 1_000)} s at the latest`;
  if (reason === 'stale_snapshot') return `usage is ${(evidence.ageMs / 1_000).toFixed(1)} s old`;
  if (reason === 'policy_denied') return 'no rule allows it';
  if (reason === 'missing_entitlement') return 'no plan or grant covers it';
  return [...matchedRules, ...(entitledBy === null ? [] : [entitledBy])].join('; ');
}
