/**
 * Rounds of services that meter through one folder of spools and are killed with SIGKILL, with the broker
 * away half of the time. Then everything is drained and counted, and compared with their ledgers.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Endpoints } from '@meterhouse/dev-stack';
import { createKafka } from '@meterhouse/kafka';
import type { Pool } from '@meterhouse/postgres';
import { createMeter } from '@meterhouse/producer';
import { readTopic } from '@meterhouse/producer/testing';
import { createLogger, Releases, waitFor } from '@meterhouse/runtime';
import { startChild, type GuardedChild } from '../faults/processes/guarded-child.ts';
import { Random } from '../faults/random.ts';
import { quarantined } from '../load/run-load.ts';
import { loadSystem, type LoadSystem } from '../load/system.ts';
import { readLedger, type LedgerEvent } from './ledger.ts';

const SERVICE = new URL('./spooling-process.ts', import.meta.url);
/** Nobody listens there. */
const NO_BROKER = '127.0.0.1:9';
const DRAINING_MS = 600_000;

export interface SpoolFaultOptions {
  readonly seed: string;
  readonly rounds: number;
  /** How long a round lasts at most, from the first event on. */
  readonly maxRoundMs: number;
  /** Stops and resumes the broker in the middle of rounds; null where it is not ours to stop. */
  readonly brokerPid: number | null;
  readonly say: (line: string) => void;
}

export interface SpoolFaultResult {
  readonly offered: number;
  readonly taken: number;
  readonly counted: bigint;
  /** Taken, and not counted. */
  readonly lost: number;
  /** On the topic more often than once: sent again after a kill or a lost answer. */
  readonly sentAgain: number;
  /** Counted beyond what is on the topic by id, or other than what was offered. */
  readonly wrong: number;
  readonly quarantined: bigint;
  readonly kills: number;
  readonly roundsWithoutBroker: number;
  readonly spoolFiles: number;
}

export async function runSpoolFaults(
  endpoints: Endpoints,
  options: SpoolFaultOptions,
): Promise<SpoolFaultResult> {
  const releases = new Releases();
  try {
    const system = await loadSystem(endpoints, releases);
    system.startAggregator();
    const folder = await mkdtemp(join(tmpdir(), 'meterhouse-spool-faults-'));
    releases.add('the folder', () => rm(folder, { recursive: true, force: true }));
    const rounds = await runRounds({ endpoints, system, folder, options, releases });
    options.say('draining what is left …');
    await drain(endpoints, system.topic, join(folder, 'spool'));
    return { ...rounds, ...(await compare(endpoints, system, folder)) };
  } finally {
    await releases.releaseAll();
  }
}

interface Run {
  readonly endpoints: Endpoints;
  readonly system: LoadSystem;
  readonly folder: string;
  readonly options: SpoolFaultOptions;
  readonly releases: Releases;
}

async function runRounds(run: Run): Promise<{ kills: number; roundsWithoutBroker: number }> {
  const { options } = run;
  const random = new Random(options.seed);
  let kills = 0;
  let roundsWithoutBroker = 0;
  for (let round = 0; round < options.rounds; round++) {
    const isAway = random.between(0, 1) === 0;
    const frozen =
      isAway && options.brokerPid !== null && random.between(0, 1) === 0 ? options.brokerPid : null;
    if (isAway) roundsWithoutBroker += 1;
    const broker = isAway && frozen === null ? NO_BROKER : run.endpoints.kafka;
    const services = Array.from({ length: random.between(1, 2) }, (_, index) =>
      startService(run, `${options.seed}-${round}-${index}`, broker),
    );
    await Promise.all(services.map(({ hasBegun }) => hasBegun()));
    const lastsMs = random.between(1, options.maxRoundMs);
    if (frozen !== null) process.kill(frozen, 'SIGSTOP');
    try {
      await delay(lastsMs);
      for (const { child } of services) {
        child.signal('SIGKILL');
        kills += 1;
      }
      await Promise.all(services.map(({ child }) => child.ended));
    } finally {
      if (frozen !== null) process.kill(frozen, 'SIGCONT');
    }
    if ((round + 1) % 25 === 0) options.say(`${round + 1} rounds, ${kills} kills`);
  }
  return { kills, roundsWithoutBroker };
}

interface Service {
  readonly child: GuardedChild<object, unknown>;
  readonly hasBegun: () => Promise<unknown>;
}

function startService({ endpoints, system, folder, releases }: Run, name: string, broker: string): Service {
  const ledger = join(folder, `${name}.ledger`);
  const child = startChild<object, unknown>(SERVICE, join(folder, 'services.log'), {
    FOLDER: join(folder, 'spool'),
    LEDGER: ledger,
    BROKER: broker,
    SCHEMA_REGISTRY_URL: endpoints.schemaRegistry,
    TOPIC: system.topic,
    NAME: name,
  });
  const remove = (): Promise<void> => {
    child.signal('SIGKILL');
    return child.ended.then(() => undefined);
  };
  releases.add(name, remove);
  const begun = async (): Promise<true | undefined> => {
    if (child.hasEnded()) throw new Error(`${name} ended by itself: ${await child.ended}`);
    return (await readFile(ledger, 'utf8')).includes('=') ? true : undefined;
  };
  return {
    child,
    hasBegun: () =>
      waitFor(`the first event of ${name}`, begun, { deadlineMs: 120_000, everyMs: 10, retryErrors: true }),
  };
}

/** One process more, as after a deployment: it takes over every file that was left. */
async function drain(endpoints: Endpoints, topic: string, folder: string): Promise<void> {
  const meter = createMeter({
    source: 'spool-faults',
    adapter: 'kafka',
    kafka: { brokers: [endpoints.kafka], schemaRegistryUrl: endpoints.schemaRegistry, topic },
    delivery: 'spool',
    spool: { folder, adoptEveryMs: 100, drainEventsPerSecond: 1_000_000 },
  });
  try {
    await meter.flush();
    let quiet = 0;
    const idle = (): true | undefined => {
      quiet = meter.counters().buffered === 0 ? quiet + 1 : 0;
      // Longer than it takes to look for the next file.
      return quiet > 20 ? true : undefined;
    };
    await waitFor('every file to be drained', idle, { deadlineMs: DRAINING_MS, everyMs: 50 });
  } finally {
    await meter.close();
  }
}

type Totals = Map<string, { events: bigint; sum: bigint }>;

async function compare(
  endpoints: Endpoints,
  { pool, topic }: LoadSystem,
  folder: string,
): Promise<Omit<SpoolFaultResult, 'kills' | 'roundsWithoutBroker'>> {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.ledger'));
  const { offered, taken } = readLedger(
    await Promise.all(files.map((name) => readFile(join(folder, name), 'utf8'))),
  );
  const kafka = createKafka({
    brokers: [endpoints.kafka],
    clientId: `compare-${randomBytes(4).toString('hex')}`,
    logger: createLogger('compare', 'silent'),
  });
  const messages = await readTopic(endpoints, kafka, topic);
  const arrived = new Map(messages.map(({ event }) => [event.id, event]));
  const expected = totalsOf([...arrived.values()]);
  const counted = await settled(pool, BigInt(arrived.size));
  const strangers = [...arrived.values()].filter((event) => !isSame(event, offered.get(event.id)));
  return {
    offered: offered.size,
    taken: taken.size,
    counted: [...counted.values()].reduce((sum, { events }) => sum + events, 0n),
    lost: [...taken].filter((id) => !arrived.has(id)).length,
    sentAgain: messages.length - arrived.size,
    wrong: strangers.length + differences(expected, counted),
    quarantined: await quarantined(pool),
    spoolFiles: (await readdir(join(folder, 'spool'))).filter((name) => name.endsWith('.spool')).length,
  };
}

function isSame(event: LedgerEvent, of: LedgerEvent | undefined): boolean {
  return of?.tenantId === event.tenantId && of.value === event.value;
}

function totalsOf(events: readonly LedgerEvent[]): Totals {
  const totals: Totals = new Map();
  for (const { tenantId, value } of events) {
    const so = totals.get(tenantId) ?? { events: 0n, sum: 0n };
    totals.set(tenantId, { events: so.events + 1n, sum: so.sum + BigInt(value) });
  }
  return totals;
}

function differences(expected: Totals, counted: Totals): number {
  const tenants = new Set([...expected.keys(), ...counted.keys()]);
  return [...tenants].filter((tenant) => {
    const [one, other] = [expected.get(tenant), counted.get(tenant)];
    return one?.events !== other?.events || one?.sum !== other?.sum;
  }).length;
}

async function settled(pool: Pool, events: bigint): Promise<Totals> {
  return waitFor(
    `${events} counted events`,
    async () => {
      const totals = await countedBy(pool);
      const so = [...totals.values()].reduce((sum, { events: of }) => sum + of, 0n);
      return so >= events ? totals : undefined;
    },
    { deadlineMs: DRAINING_MS, everyMs: 250 },
  );
}

async function countedBy(pool: Pool): Promise<Totals> {
  const { rows } = await pool.query<{ tenant_id: string; events: string; sum: string }>(
    `SELECT tenant_id, sum(count)::text AS events, sum(sum)::numeric(57)::text AS sum
     FROM meterhouse.usage_hourly GROUP BY tenant_id`,
  );
  return new Map(
    rows.map(({ tenant_id, events, sum }) => [tenant_id, { events: BigInt(events), sum: BigInt(sum) }]),
  );
}
