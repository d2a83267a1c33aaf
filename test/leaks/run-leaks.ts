/** Asks at random, batch by batch, each batch by one asker, and lets the oracle judge each answer and each change. */
import { randomBytes } from 'node:crypto';
import type { Endpoints } from '@meterhouse/dev-stack';
import { createKafka, ensureTopics } from '@meterhouse/kafka';
import { createLogger, Releases } from '@meterhouse/runtime';
import { Random } from '../faults/random.ts';
import type { Operation } from '../requests/operations.ts';
import { onTheWire, type RequestParts } from '../requests/request.ts';
import { CursorPool, randomRequest } from './asking.ts';
import { takeChanges } from './changes.ts';
import { leaksInAnswer, leaksInChanges, wrongStatus, type Leak } from './oracle.ts';
import { openWorld, type Asker, type Checks, type World } from './world.ts';

export interface LeakOptions {
  readonly seed: string;
  readonly calls: number;
  /** In one world of tenants. */
  readonly callsPerWorld: number;
  readonly checks: Checks;
  readonly say: (line: string) => void;
}

export interface LeakResult {
  readonly calls: number;
  readonly worlds: number;
  readonly tenants: number;
  readonly byStatus: ReadonlyMap<number, number>;
  /** Operations that were answered with 2xx, and how often. */
  readonly done: ReadonlyMap<string, number>;
  /** Operations that were asked. */
  readonly asked: ReadonlySet<string>;
  /** Of the document. */
  readonly operations: readonly string[];
  readonly leaks: readonly Leak[];
  /** What ended with 500 or more, whichever checks are there: request and answer. */
  readonly failures: readonly string[];
  /** Why: SQLSTATEs, or what was logged where there is none. */
  readonly errors: ReadonlySet<string>;
  readonly rowsChanged: number;
}

/** The result while it grows. */
interface Tally {
  calls: number;
  worlds: number;
  tenants: number;
  rowsChanged: number;
  operations: readonly string[];
  readonly byStatus: Map<number, number>;
  readonly done: Map<string, number>;
  readonly asked: Set<string>;
  readonly leaks: Leak[];
  readonly failures: string[];
  readonly errors: Set<string>;
}

const BATCH = 16;

/**
 * No row of Postgres stands behind them: events go to the broker, and decisions are made of what this
 * process holds in memory. Whose they are is checked by the API alone, so it is not taken out for them.
 */
const WITHOUT_ROWS = ['sendEvents', 'decide', 'decideBatch'];

export async function runLeaks(endpoints: Endpoints, options: LeakOptions): Promise<LeakResult> {
  const topic = await newTopic(endpoints.kafka);
  const result: Tally = {
    ...{
      calls: 0,
      worlds: 0,
      tenants: 0,
      rowsChanged: 0,
      operations: [],
      leaks: [],
      failures: [],
      errors: new Set(),
    },
    ...{ byStatus: new Map(), done: new Map(), asked: new Set() },
  };
  while (result.calls < options.calls) {
    const random = new Random(`${options.seed} world ${result.worlds}`);
    const releases = new Releases();
    try {
      const world = await openWorld({ ...endpoints, topic }, random, options.checks, releases);
      const calls = Math.min(options.callsPerWorld, options.calls - result.calls);
      await askInWorld(world, calls, random, options.checks, result);
    } finally {
      await releases.releaseAll();
    }
    options.say(`${result.calls} calls in ${result.worlds} worlds: ${result.leaks.length} leaks`);
  }
  return result;
}

async function askInWorld(
  world: World,
  calls: number,
  random: Random,
  checks: Checks,
  tally: Tally,
): Promise<void> {
  const cursors = new CursorPool();
  const mayAsk = ({ name }: Operation): boolean => checks.api || !checks.rows || !WITHOUT_ROWS.includes(name);
  for (let left = calls; left > 0; left -= BATCH) {
    const asker = pickAsker(random, world);
    const requests = Array.from({ length: Math.min(BATCH, left) }, () =>
      randomRequest(world, asker, { random, cursors, mayAsk }),
    );
    const judged = await Promise.all(requests.map((request) => ask(world, asker, request, cursors, checks)));
    const changes = await takeChanges(world.owner);
    const leaks = leaksInChanges(world, asker, changes, world.takeRecorded());
    tally.leaks.push(...judged.flatMap(({ leaks: of }) => of), ...leaks);
    tally.rowsChanged += changes.length;
    for (const error of world.takeErrors()) tally.errors.add(error);
    for (const { operation, status, failure } of judged) {
      if (failure !== null) tally.failures.push(failure);
      add(tally.byStatus, status);
      tally.asked.add(operation);
      if (status < 300) add(tally.done, operation);
    }
  }
  tally.calls += calls;
  tally.worlds += 1;
  tally.tenants += world.forest.length;
  tally.operations = world.operations.all.map(({ name }) => name);
}

/** Mostly keys of tenants: the platform's may see everything. */
function pickAsker(random: Random, { askers }: World): Asker {
  const kind = random.weighted([
    ['tenant', 88],
    ['platform', 8],
    ['nobody', 4],
  ] as const);
  return random.pick(
    askers.filter(({ role, tenant }) =>
      kind === 'tenant'
        ? tenant !== null
        : kind === 'platform'
          ? role !== null && tenant === null
          : role === null,
    ),
  );
}

async function ask(
  world: World,
  asker: Asker,
  request: RequestParts,
  cursors: CursorPool,
  checks: Checks,
): Promise<{ operation: string; status: number; failure: string | null; leaks: Leak[] }> {
  const wire = onTheWire(request);
  const response = await world.api.call(asker.bearer, wire.address, wire.init);
  const answer = { status: response.status, text: await response.text() };
  const operation = request.operation.name;
  cursors.note(operation, answer.text);
  const { address } = wire;
  const strictly = checks.api && checks.rows;
  return {
    operation,
    status: answer.status,
    failure:
      answer.status < 500
        ? null
        : `${operation} as ${asker.role ?? 'nobody'} of ${asker.tenant?.id ?? 'none'}: ${wire.init.method} ${address} ${wire.init.body ?? ''} → ${answer.text}`,
    leaks: [
      ...leaksInAnswer(world, asker, request, wire, answer),
      ...(strictly ? wrongStatus(world, asker, request, answer) : []),
      ...(strictly && answer.status >= 500
        ? [{ kind: 'failed' as const, operation, detail: `${address} ${answer.text}` }]
        : []),
    ],
  };
}

async function newTopic(kafka: string): Promise<string> {
  const topic = `leaks_${randomBytes(6).toString('hex')}`;
  await ensureTopics(
    createKafka({ brokers: [kafka], clientId: 'leaks', logger: createLogger('leaks', 'silent') }),
    {
      usageEvents: { topic, partitions: 4 },
      usageSnapshots: { topic: `${topic}_snapshots` },
    },
  );
  return topic;
}

function add<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
