/** Decisions: those that were kept, in Postgres; new ones by the snapshots on Kafka, as a gate makes them. */
import { createGate } from '@meterhouse/gate';
import { registryAt, registryChangesSince, RegistryVersionError, type Pool } from '@meterhouse/postgres';
import { readPools } from '@meterhouse/postgres/capacity';
import { listDecisions, readDecision } from '@meterhouse/postgres/decisions';
import { decide, explain, RegistryState, type CapacityFact } from '@meterhouse/quota';
import { readSnapshots, type SnapshotReader } from '@meterhouse/quota/reader';
import { DeadlineError, waitFor } from '@meterhouse/runtime';
import type { Stores } from '../../connect/stores.ts';
import { questionOf, type DecideOptions } from '../../decide/asked.ts';
import { shownDecision, type ShownDecision } from '../../decide/decision-text.ts';
import { explainDecision, noSuchDecision } from '../../decisions/explain-decision.ts';
import { CommandError } from '../../exit.ts';
import type { DecisionDesk } from '../system.ts';

export function decisionsInStores(stores: Stores): DecisionDesk {
  return {
    list: async (filter) => listDecisions(await stores.postgres('meterhouse_reader'), filter),
    explain: async (id) => {
      const pool = await stores.postgres('meterhouse_reader');
      const kept = await readDecision(pool, id);
      if (kept === null) throw noSuchDecision(id);
      return explainDecision(kept, (version) => documentsAt(pool, version));
    },
    decide: (asked) => decideNow(asked, stores),
  };
}

async function documentsAt(pool: Pool, version: bigint): ReturnType<typeof registryAt> {
  try {
    return await registryAt(pool, version);
  } catch (error) {
    if (!(error instanceof RegistryVersionError)) throw error;
    throw new CommandError(
      error.message,
      'the decision was made by another registry, or this one was put back to an older state',
      error,
    );
  }
}

const READY_MS = 30_000;
/** How long a sign of life of the snapshot service is waited for, before its silence is the answer. */
const LIVE_MS = 3_000;

async function decideNow(asked: DecideOptions, stores: Stores): Promise<ShownDecision> {
  const pool = await stores.postgres('meterhouse_reader');
  const registry = RegistryState.of((await registryChangesSince(pool, 0n)).documents);
  const question = questionOf(asked, registry);
  const reader = await openReader(stores);
  try {
    const gate = createGate({ snapshots: reader });
    const { request, facts: found } = await gate.factsOf(question);
    const action = registry
      .get('product', request.product)
      ?.actions.find((each) => each.resourceType === request.resourceType && each.action === request.action);
    const facts = { ...found, capacity: await poolFact(pool, action?.pool ?? null, request.slots) };
    const decision = decide(request, facts);
    return shownDecision(decision, asked.explain === true ? explain(request, facts, decision) : null);
  } finally {
    await reader.close();
  }
}

async function openReader(stores: Stores): Promise<SnapshotReader> {
  await stores.kafkaAdmin();
  const reader = readSnapshots({
    kafka: await stores.kafka(),
    registry: stores.schemaRegistry(),
    topic: stores.names.usageSnapshotsTopic,
    logger: stores.logger,
    groupPrefix: 'meterhouse-command',
  });
  try {
    await reader.ready({ deadlineMs: READY_MS });
    await heardLive(reader);
    return reader;
  } catch (error) {
    await reader.close();
    throw error;
  }
}

/** Returns also when nothing is heard: that is what the decision then says. */
async function heardLive(reader: SnapshotReader): Promise<void> {
  const isHeard = (): true | undefined => (Number.isFinite(reader.status().ageMs) ? true : undefined);
  try {
    await waitFor('a live snapshot', isHeard, { deadlineMs: LIVE_MS });
  } catch (error) {
    if (!(error instanceof DeadlineError)) throw error;
  }
}

/** As the pool stands; nothing is reserved. */
async function poolFact(pool: Pool, poolId: string | null, slots: number): Promise<CapacityFact> {
  if (poolId === null || slots === 0) return { outcome: 'not_needed' };
  const found = (await readPools(pool)).find(({ id }) => id === poolId);
  if (found === undefined) return { outcome: 'unavailable', retryAfterMs: null };
  const fits = found.free >= BigInt(slots);
  return fits ? { outcome: 'not_asked' } : { outcome: 'no_capacity', retryAfterMs: null };
}
