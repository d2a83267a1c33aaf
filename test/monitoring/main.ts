/**
 * `npm run test:alerts`: each alert fires for real, and is resolved. Brings a system of its own up, with
 * Prometheus looking at it; breaks one thing after the other; waits for the alerts; does what the runbook
 * says; waits until they are resolved; prints a table.
 *
 *   npm run test:alerts [-- --only NAME,NAME] [--divisor 20] [--write FILE]
 *
 * Times are shortened: see `SCALING`. Ends with 0 when every alert fired and was resolved. Needs Debian's package
 * `prometheus`, or another of that name on the PATH. Takes some 15 minutes on two idle cores.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Releases } from '@meterhouse/runtime';
import { alertRules, readRules, rulesText, scaledRules, type Scaling } from './alert-rules.ts';
import { hasProgram, startPrometheus } from './prometheus.ts';
import { startSystem, type RunningSystem, type SystemOptions } from './running-system.ts';
import { openBed } from './trial/bed.ts';
import type { Fault } from './trial/fault.ts';
import { failures, notProvokedLines, outcomeTable } from './trial/report.ts';
import { NOT_PROVOKED, ROUNDS } from './trial/rounds.ts';
import { runFault, type AlertOutcome } from './trial/run-fault.ts';
import { startTraffic } from './trial/traffic.ts';

const REGISTRY = fileURLToPath(
  new URL('../../packages/dev-stack/src/start/demo-registry.yaml', import.meta.url),
);
/** Bounds that a trial can reach. */
const ENV = {
  API_KEY_REQUESTS_PER_SECOND: '20',
  MAX_CHANGE_LOG_ROWS: '1000',
  MIRROR_COMPARISON_SECONDS: '10',
  SNAPSHOT_MAX_BUCKETS: '1000',
  STUCK_AFTER_MS: '10000',
  WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8',
  WEBHOOK_MAX_PER_ENDPOINT: '1',
  WEBHOOK_RETRY_SECONDS: '1,1',
  WEBHOOK_TIMEOUT_MS: '25000',
  LOG_LEVEL: 'info',
};
const DEADLINES = { fireMs: 240_000, clearMs: 240_000 };
const SCRAPE_SECONDS = 2;

process.exit(await main());

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      divisor: { type: 'string', default: '20' },
      write: { type: 'string' },
    },
  });
  if (!hasProgram('prometheus')) {
    say('There is no prometheus on the PATH: apt-get install prometheus');
    return 2;
  }
  const rounds = chosen(values.only?.split(','));
  const divisor = Number(values.divisor);
  // A minute at the usual 20: a slower machine is given more.
  const scaling: Scaling = { divisor, atLeastSeconds: 15, atMostSeconds: 1_200 / divisor };
  const releases = new Releases();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void releases.releaseAll().then(() => process.exit(130)));
  let outcomes: readonly AlertOutcome[];
  try {
    outcomes = await trial(rounds, scaling, releases);
  } finally {
    await releases.releaseAll();
  }
  say(`\n${outcomeTable(outcomes)}\n\n${notProvokedLines().join('\n')}`);
  if (values.write !== undefined) writeFileSync(values.write, `${outcomeTable(outcomes)}\n`);
  const failed = failures(outcomes);
  say(`\n${outcomes.length - failed.length} of ${outcomes.length} alerts fired and were resolved`);
  return failed.length === 0 ? 0 : 1;
}

function chosen(only: readonly string[] | undefined): readonly (readonly Fault[])[] {
  requireAllAlerts();
  if (only === undefined) return ROUNDS;
  const rounds = ROUNDS.map((round) => round.filter(({ name }) => only.includes(name)));
  if (rounds.flat().length !== only.length)
    throw new Error(
      `--only takes ${ROUNDS.flat()
        .map(({ name }) => `"${name}"`)
        .join(', ')}`,
    );
  return rounds.filter((round) => round.length > 0);
}

/** A new alert has to be provoked, or it has to be said why not. */
function requireAllAlerts(): void {
  const provoked = new Set([...ROUNDS.flat().flatMap(({ alerts }) => alerts), ...Object.keys(NOT_PROVOKED)]);
  const forgotten = alertRules(readRules()).filter(({ alert }) => !provoked.has(alert));
  if (forgotten.length > 0)
    throw new Error(`nothing provokes ${forgotten.map(({ alert }) => alert).join(', ')}`);
}

async function trial(
  rounds: readonly (readonly Fault[])[],
  scaling: Scaling,
  releases: Releases,
): Promise<readonly AlertOutcome[]> {
  const folder = mkdtempSync(join(tmpdir(), 'meterhouse-alerts-'));
  releases.add('the folder', () => {
    rmSync(folder, { recursive: true, force: true });
    return Promise.resolve();
  });
  const rulesPath = join(folder, 'rules.yaml');
  writeFileSync(rulesPath, rulesText(scaledRules(readRules(), scaling)));
  const options: SystemOptions = {
    dataDir: join(folder, 'stack'),
    logPath: join(folder, 'npm-start.log'),
    registry: REGISTRY,
    env: ENV,
  };
  mkdirSync(options.dataDir);
  say(
    `times divided by ${scaling.divisor}, never below ${scaling.atLeastSeconds} s nor above ${scaling.atMostSeconds} s; a scrape each ${SCRAPE_SECONDS} s`,
  );
  let system: RunningSystem = await startSystem(options);
  releases.add('the system', () => system.stop());
  say('the system is up');
  const prometheus = await startPrometheus({
    ...{ endpoints: system.endpoints, folder: join(folder, 'prometheus'), rulesPath },
    ...{ scrapeSeconds: SCRAPE_SECONDS, evaluationSeconds: SCRAPE_SECONDS },
  });
  releases.add('Prometheus', () => prometheus.stop());
  const restart = async (env: Readonly<Record<string, string>>): Promise<void> => {
    await system.stop();
    system = await startSystem({ ...options, env: { ...ENV, ...env } });
  };
  const current = { ...system, pids: () => system.pids() };
  const bed = await openBed(current, prometheus, restart, releases);
  const traffic = startTraffic(bed);
  releases.add('the traffic', () => traffic.stop());
  const outcomes: AlertOutcome[] = [];
  for (const round of rounds) {
    const ran = await Promise.all(round.map((fault) => runFault(fault, bed, DEADLINES, say)));
    outcomes.push(...ran.flat());
  }
  return outcomes;
}

function say(line: string): void {
  process.stdout.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`);
}
