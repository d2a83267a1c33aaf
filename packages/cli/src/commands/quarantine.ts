import type { Command } from 'commander';
import { createEventDecoder, isRefusal, isUnknownSchema, RegistryError } from '@meterhouse/kafka';
import {
  countQuarantine,
  discardQuarantined,
  inTransaction,
  listQuarantine,
  QUARANTINE_STATUSES,
  readQuarantineCase,
  readReplayOutcomes,
  requestReplay,
  type Pool,
  type QuarantineStatus,
  type ReplayOutcomes,
} from '@meterhouse/postgres';
import { DeadlineError, waitFor } from '@meterhouse/runtime';
import { bigNumber, oneOf, filled, repeated, textOf, wholeNumber } from '../arguments.ts';
import { MAX_BY } from '../author.ts';
import type { Context, Run } from '../context.ts';
import { CommandError } from '../exit.ts';
import { parseLength } from '../output/instants.ts';
import { counted } from '../output/numbers.ts';
import { throughPages } from '../quarantine/page-through.ts';
import {
  caseJson,
  countJson,
  eventJson,
  outcomesJson,
  renderCase,
  renderCounts,
  renderEvents,
  renderOutcomes,
  type Decoded,
} from '../quarantine/quarantine-text.ts';
import { filterOf, selectionOf, type SelectionOptions } from '../quarantine/selection.ts';

export function addQuarantine(program: Command, run: Run): void {
  const quarantine = program
    .command('quarantine')
    .description('Events that could not be counted: look, count them after all, or discard them.');
  addList(quarantine, run);
  addShow(quarantine, run);
  addReplay(quarantine, run);
  addDiscard(quarantine, run);
}

interface ListOptions extends SelectionOptions {
  readonly status?: readonly QuarantineStatus[];
  readonly limit: number;
  readonly after: bigint;
}

function addList(quarantine: Command, run: Run): void {
  withSelection(quarantine.command('list').description('How many by reason, and the first of them.'))
    .option(
      '--status <status>',
      `${QUARANTINE_STATUSES.join(', ')}; may be repeated (default: those that wait)`,
      repeated(oneOf(QUARANTINE_STATUSES)),
    )
    .option('--limit <n>', 'events listed', wholeNumber(1, 10_000), 20)
    .option('--after <id>', 'go on after this id', bigNumber, 0n)
    .action((options: ListOptions) =>
      run(async ({ out, stores }) => {
        const pool = await stores.postgres('meterhouse_reader');
        const statuses = options.status ?? (['waiting', 'replay_requested'] as const);
        const filter = { ...filterOf(options), statuses };
        const counts = await countQuarantine(pool, filter);
        const events = await listQuarantine(pool, filter, { afterId: options.after, limit: options.limit });
        out.result({ counts: counts.map(countJson), events: events.map(eventJson) }, (palette) => {
          if (counts.length === 0) return `${palette.good('nothing')} with status ${statuses.join(' or ')}\n`;
          const last = events.at(-1)?.id;
          const more =
            events.length === options.limit && last !== undefined
              ? palette.dim(`more: --after ${last}; one in full: "meterhouse quarantine show ID"\n`)
              : '';
          return `${renderCounts(counts, palette)}\n${renderEvents(events, palette)}${more}`;
        });
        return 0;
      }),
    );
}

function addShow(quarantine: Command, run: Run): void {
  quarantine
    .command('show')
    .description('One event in full: the message as it came, what can be read of it, what was done with it.')
    .argument('<id>', 'as listed', bigNumber)
    .action((id: bigint) =>
      run(async (context) => {
        const found = await readQuarantineCase(await context.stores.postgres('meterhouse_reader'), id);
        if (found === null)
          throw new CommandError(`there is no quarantined event ${id}`, 'see "quarantine list"');
        const decoded = await decode(found.payload, context);
        context.out.result(caseJson(found, decoded), (palette) => renderCase(found, decoded, palette));
        return 0;
      }),
    );
}

const LEARN_MS = 5_000;

async function decode(payload: Buffer, { stores }: Context): Promise<Decoded> {
  const decoder = createEventDecoder(stores.schemaRegistry());
  let outcome = decoder.decode(payload);
  if (isUnknownSchema(outcome)) {
    try {
      await decoder.learn(outcome.unknownSchemaId, { deadlineMs: LEARN_MS });
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      return `cannot be read now: ${error.message}`;
    }
    outcome = decoder.decode(payload);
  }
  if (isUnknownSchema(outcome))
    return `cannot be read now: the schema registry does not give schema ${outcome.unknownSchemaId}`;
  return isRefusal(outcome) ? `cannot be read: ${outcome.detail}` : outcome;
}

interface ReplayOptions extends SelectionOptions {
  readonly by: string;
  readonly because: string;
  readonly wait?: boolean;
  readonly waitTimeout: string;
}

function addReplay(quarantine: Command, run: Run): void {
  withSelection(
    quarantine
      .command('replay')
      .description(
        'Has the aggregator count waiting events by the registry of today: each once, or it waits on.',
      ),
  )
    .option('--all', 'everything that waits')
    .requiredOption('--by <name>', 'who asks: kept with each event', textOf(MAX_BY))
    .option('--because <text>', 'why: kept with each event', filled, 'asked for a replay')
    .option('--wait', 'return when each has an outcome')
    .option('--wait-timeout <length>', 'give up waiting after', '10m')
    .action((options: ReplayOptions) =>
      run(async (context) => {
        const { out, stores, signal } = context;
        const filter = selectionOf(options);
        const deadlineMs = parseLength('--wait-timeout', options.waitTimeout);
        const pool = await stores.postgres('meterhouse_operator');
        const request = { by: options.by, reason: options.because };
        const ids = await throughPages(
          async (bound) =>
            idsOf(await inTransaction(pool, (client) => requestReplay(client, filter, request, bound))),
          signal,
        );
        const outcomes = options.wait === true ? await waitForOutcomes(pool, ids, deadlineMs, signal) : null;
        out.result(
          { requested: ids.length, outcomes: outcomes === null ? null : outcomesJson(outcomes) },
          (palette) =>
            outcomes === null
              ? `${counted(ids.length, 'event')} to be replayed by the aggregator; "quarantine list --status counted" shows them come\n`
              : `${counted(ids.length, 'event')} replayed: ${renderOutcomes(outcomes, palette)}`,
        );
        return 0;
      }),
    );
}

function idsOf(settled: readonly { readonly id: bigint }[]): bigint[] {
  return settled.map(({ id }) => id);
}

async function waitForOutcomes(
  pool: Pool,
  ids: readonly bigint[],
  deadlineMs: number,
  signal: AbortSignal,
): Promise<ReplayOutcomes> {
  try {
    return await waitFor(
      'every replayed event to have an outcome',
      async () => {
        if (signal.aborted)
          throw new CommandError('interrupted while waiting', 'the replay goes on without us');
        const outcomes = await readReplayOutcomes(pool, ids);
        return outcomes.pending === 0n ? outcomes : undefined;
      },
      { deadlineMs, everyMs: 200 },
    );
  } catch (error) {
    if (!(error instanceof DeadlineError)) throw error;
    const { pending } = await readReplayOutcomes(pool, ids);
    throw new CommandError(
      `${counted(pending, 'event')} of ${ids.length} have no outcome after ${Math.round(deadlineMs / 1000)} s`,
      'is the aggregator running? The request stands; "quarantine list --status replay_requested" shows what is left',
      error,
    );
  }
}

interface DiscardOptions extends SelectionOptions {
  readonly by: string;
  readonly because: string;
}

function addDiscard(quarantine: Command, run: Run): void {
  withSelection(
    quarantine
      .command('discard')
      .description('Decides that waiting events are never to be counted. They are kept, with the reason.'),
  )
    .option('--all', 'everything that waits')
    .requiredOption('--because <text>', 'why: kept with each event', filled)
    .requiredOption('--by <name>', 'who decides: kept with each event', textOf(MAX_BY))
    .action((options: DiscardOptions) =>
      run(async ({ out, stores, signal }) => {
        const filter = selectionOf(options);
        const pool = await stores.postgres('meterhouse_operator');
        const request = { by: options.by, reason: options.because };
        const ids = await throughPages(
          async (bound) =>
            idsOf(await inTransaction(pool, (client) => discardQuarantined(client, filter, request, bound))),
          signal,
        );
        out.result({ discarded: ids.length }, () => `${counted(ids.length, 'event')} discarded\n`);
        return 0;
      }),
    );
}

function withSelection(command: Command): Command {
  return command
    .option('--id <id>', 'this one; may be repeated', repeated(bigNumber))
    .option('--reason <reason>', 'refused for this reason')
    .option('--tenant <id>', 'of this tenant')
    .option('--metric <name>', 'of this metric');
}
