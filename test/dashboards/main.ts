/**
 * `npm run test:dashboards`: brings a whole system up, sends it good and bad traffic, lets the real Prometheus
 * look at it, and asks every query of every panel. Each must return data. Bounded in time; loopback only.
 * Needs Debian's package `prometheus`, or another of that name.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Releases } from '@meterhouse/runtime';
import { hasProgram, startPrometheus } from '../monitoring/prometheus.ts';
import { startSystem } from '../monitoring/running-system.ts';
import { evaluateAll, type Evaluated } from './evaluate.ts';
import { startTraffic } from './traffic.ts';

/** Attribute sets are looked for every five minutes: until then their panel is empty. */
const { values: args } = parseArgs({
  options: { seconds: { type: 'string', default: '420' }, 'keep-data': { type: 'boolean', default: false } },
});

/** Rates look back on so much: some scrapes of a second each, also on a slow machine. */
const WINDOW = '30s';
const REGISTRY = fileURLToPath(new URL('registry.yaml', import.meta.url));
const ENVIRONMENT = {
  // The receiver of webhooks is here.
  WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8',
  MIRROR_COMPARISON_SECONDS: '10',
  // So that sixty requests at once are too many.
  API_KEY_REQUESTS_PER_SECOND: '10',
};

const say = (line = ''): void => void process.stdout.write(`${line}\n`);

if (!hasProgram('prometheus')) {
  say('there is no prometheus to ask: apt-get install prometheus');
  process.exit(1);
}

const releases = new Releases();
const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort());
const folder = await mkdtemp(join(tmpdir(), 'meterhouse-dashboards-'));
if (!args['keep-data']) releases.add('the folder', () => rm(folder, { recursive: true, force: true }));

try {
  say(`in ${folder}: a system, and a Prometheus that looks at it each second`);
  const system = await startSystem({
    dataDir: join(folder, 'stack'),
    logPath: join(folder, 'start.log'),
    registry: REGISTRY,
    env: ENVIRONMENT,
  });
  releases.add('the system', () => system.stop());
  const prometheus = await startPrometheus({
    endpoints: system.endpoints,
    folder: join(folder, 'prometheus'),
  });
  releases.add('Prometheus', () => prometheus.stop());
  const api = system.endpoints.api;
  if (api === undefined) throw new Error('the system has no API');
  const key = (await readFile(join(system.dataDir, 'api-key'), 'utf8')).trim();
  const traffic = await startTraffic({ api, key });
  releases.add('the traffic', () => traffic.stop());
  await traffic.firstRound;
  // A worker that is killed comes back: a restart, a rebalance, and a look at the attributes that are there by now.
  const { aggregator } = await system.pids();
  if (aggregator === undefined) throw new Error('the system has no aggregator');
  process.kill(aggregator, 'SIGKILL');
  const deadlineMs = Number(args.seconds) * 1_000;
  const evaluated = await evaluateAll(prometheus, { window: WINDOW, deadlineMs, signal: stopping.signal });
  report(evaluated);
} finally {
  await releases.releaseAll();
}

function report(evaluated: readonly Evaluated[]): void {
  for (const { dashboard, panel, refId, series, sample } of evaluated)
    say(
      [
        sample === null ? 'NO DATA' : 'ok',
        dashboard.padEnd(10),
        `${panel} ${refId}`.padEnd(52),
        `${series} series`.padStart(11),
        sample === null ? '' : `up to ${sample.toPrecision(4)}`,
      ].join('  '),
    );
  const empty = evaluated.filter(({ sample }) => sample === null);
  say();
  say(`${evaluated.length} queries, ${evaluated.length - empty.length} with data, ${empty.length} without`);
  for (const { dashboard, panel, refId, expr } of empty) say(`  ${dashboard}, ${panel}, ${refId}: ${expr}`);
  if (empty.length > 0) process.exitCode = 1;
}
