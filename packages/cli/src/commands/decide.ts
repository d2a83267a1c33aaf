import type { Command } from 'commander';
import { createGate } from '@meterhouse/gate';
import { registryChangesSince } from '@meterhouse/postgres';
import { readPools } from '@meterhouse/postgres/capacity';
import { decide, explain, RegistryState, type CapacityFact } from '@meterhouse/quota';
import { readSnapshots, type SnapshotReader } from '@meterhouse/quota/reader';
import { DeadlineError, waitFor } from '@meterhouse/runtime';
import { asText, filled, repeated, wholeNumber } from '../arguments.ts';
import type { Context, Run } from '../context.ts';
import { questionOf, type DecideOptions } from '../decide/asked.ts';
import { decisionJson, renderDecision } from '../decide/decision-text.ts';

const READY_MS = 30_000;
/** How long a sign of life of the snapshot service is waited for, before its silence is the answer. */
const LIVE_MS = 3_000;

export function addDecide(program: Command, run: Run): void {
  program
    .command('decide')
    .description(
      'What a gate would answer now; nothing is taken. Exit code 0 for allow and warn, 1 for deny.',
    )
    .requiredOption('--tenant <id>', 'where it is asked: a project, department or organization', filled)
    .option('--metric <name>', 'what it will use')
    .option('--delta <amount>', 'how much of it (default: 1)')
    .option('--unit <unit>', 'its unit (default: the metric’s own)')
    .option('--product <id>', 'needed where several offer the metric')
    .option('--resource <type>', 'type of the resource')
    .option('--action <name>', 'what is done with it')
    .option('--slots <n>', 'units of the action’s capacity pool (default: 1)', wholeNumber(0, 1_000_000_000))
    .option('--actor <type:id>', 'who asks (default: the user of this process)', filled)
    .option('--role <name>', 'a role of the actor; may be repeated', repeated(asText))
    .option('--scope <name>', 'a scope of the actor; may be repeated', repeated(asText))
    .option('--attribute <name=value>', 'what policies may look at; may be repeated', repeated(asText))
    .option('--explain', 'the whole walk: each question, its answer, and why')
    .action((options: DecideOptions) =>
      run(async (context) => {
        const { out, stores } = context;
        const pool = await stores.postgres('meterhouse_reader');
        const registry = RegistryState.of((await registryChangesSince(pool, 0n)).documents);
        const question = questionOf(options, registry);
        const reader = await openReader(context);
        try {
          const gate = createGate({ snapshots: reader });
          const { request, facts: found } = await gate.factsOf(question);
          const action = registry
            .get('product', request.product)
            ?.actions.find(
              (each) => each.resourceType === request.resourceType && each.action === request.action,
            );
          const facts = { ...found, capacity: await poolFact(context, action?.pool ?? null, request.slots) };
          const decision = decide(request, facts);
          const walk = options.explain === true ? explain(request, facts, decision) : null;
          out.result(decisionJson(decision, walk), (palette) => renderDecision(decision, walk, palette));
          return decision.outcome === 'deny' ? 1 : 0;
        } finally {
          await reader.close();
        }
      }),
    );
}

async function openReader({ stores }: Context): Promise<SnapshotReader> {
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
async function poolFact({ stores }: Context, poolId: string | null, slots: number): Promise<CapacityFact> {
  if (poolId === null || slots === 0) return { outcome: 'not_needed' };
  const pools = await readPools(await stores.postgres('meterhouse_reader'));
  const found = pools.find(({ id }) => id === poolId);
  if (found === undefined) return { outcome: 'unavailable', retryAfterMs: null };
  const fits = found.free >= BigInt(slots);
  return fits ? { outcome: 'not_asked' } : { outcome: 'no_capacity', retryAfterMs: null };
}
