/** Sends at the limit, kills the API with SIGKILL in the middle, starts it again, and compares. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Endpoints } from '@meterhouse/dev-stack';
import type { Pool } from '@meterhouse/postgres';
import { Releases, waitFor } from '@meterhouse/runtime';
import { seededRandom } from '../bench/events.ts';
import { newTally, sendUntil, type LoadEvent, type LoadTally } from './senders.ts';
import { loadSystem } from './system.ts';

export interface LoadOptions {
  readonly seconds: number;
  readonly kills: number;
  readonly connections: number;
  readonly batchEvents: number;
  readonly say: (line: string) => void;
}

export interface LoadResult {
  readonly acknowledged: LoadTally;
  /** `tenant metric` → events and sum, as Postgres has them in the end. */
  readonly counted: ReadonlyMap<string, { events: bigint; sum: bigint }>;
  readonly quarantined: bigint;
  readonly sendingMs: number;
}

const TENANTS = 100;
const COUNTING_MS = 300_000;
/** Counting has come to its end when nothing is added for as long. */
const QUIET_POLLS = 8;
const POLL_MS = 250;

export async function runLoad(endpoints: Endpoints, options: LoadOptions): Promise<LoadResult> {
  const releases = new Releases();
  try {
    const system = await loadSystem(endpoints, releases);
    system.startAggregator();
    await system.startApi();
    const acknowledged = newTally();
    const stop = new AbortController();
    const startedAt = performance.now();
    const { url, key } = system;
    const sending = sendUntil(stop.signal, { ...options, url, key, makeEvent: loadEvents() }, acknowledged);
    // A sender that fails must end the run, not be an unhandled rejection while the parent waits.
    await Promise.all([sending, killing(system, options, acknowledged).finally(() => stop.abort())]);
    const sendingMs = performance.now() - startedAt;
    options.say(`${acknowledged.events} events acknowledged; waiting until they are counted …`);
    await settled(system.pool, BigInt(acknowledged.events));
    return {
      acknowledged,
      counted: await countedBy(system.pool),
      quarantined: await quarantined(system.pool),
      sendingMs,
    };
  } finally {
    await releases.releaseAll();
  }
}

async function killing(
  system: { killApi(): Promise<void>; startApi(): Promise<void> },
  { seconds, kills, say }: LoadOptions,
  tally: LoadTally,
): Promise<void> {
  const pauseMs = (seconds * 1_000) / (kills + 1);
  for (let kill = 1; kill <= kills; kill++) {
    await delay(pauseMs);
    // In the middle of sending, whatever the machine is busy with: not before the first answer.
    const before = tally.events;
    await waitFor('an acknowledgement', () => (tally.events > before ? true : undefined), {
      deadlineMs: 60_000,
    });
    await system.killApi();
    say(`killed after ${tally.events} events`);
    await system.startApi();
  }
  await delay(pauseMs);
}

/** Values are whole, so that sums can be told without decimals. */
function loadEvents(): () => LoadEvent {
  const random = seededRandom(5);
  return () => ({
    tenantId: `tenant-${Math.floor(random() * TENANTS)}`,
    metric: 'llm.input_tokens',
    value: String(1 + Math.floor(random() * 8_000)),
    ts: new Date().toISOString(),
  });
}

/** Waits for what was acknowledged, and then for as long as more is still being counted. */
async function settled(pool: Pool, events: bigint): Promise<void> {
  let last = -1n;
  let quiet = 0;
  const poll = async (): Promise<true | undefined> => {
    const so = [...(await countedBy(pool)).values()].reduce((sum, { events: of }) => sum + of, 0n);
    quiet = so === last ? quiet + 1 : 0;
    last = so;
    // Short of it and quiet is waited out to the deadline: the aggregator may be starting.
    return so >= events && quiet >= QUIET_POLLS ? true : undefined;
  };
  await waitFor(`${events} counted events`, poll, { deadlineMs: COUNTING_MS, everyMs: POLL_MS });
}

async function countedBy(pool: Pool): Promise<Map<string, { events: bigint; sum: bigint }>> {
  const { rows } = await pool.query<{ key: string; events: string; sum: string }>(
    `SELECT tenant_id || ' ' || metric AS key, sum(count)::text AS events, sum(sum)::numeric(57)::text AS sum
     FROM meterhouse.usage_hourly GROUP BY tenant_id, metric`,
  );
  return new Map(rows.map(({ key, events, sum }) => [key, { events: BigInt(events), sum: BigInt(sum) }]));
}

export async function quarantined(pool: Pool): Promise<bigint> {
  const { rows } = await pool.query<{ count: string }>('SELECT count(*) AS count FROM meterhouse.quarantine');
  return BigInt(rows[0]?.count ?? 0);
}
