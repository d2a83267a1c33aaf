import type { Command } from 'commander';
import { QUARANTINE_STATUSES, type QuarantineStatus, type ReplayOutcomes } from '@meterhouse/postgres';
import { DeadlineError, waitFor } from '@meterhouse/runtime';
import { bigNumber, oneOf, filled, repeated, textOf, wholeNumber } from '../arguments.ts';
import { MAX_BY } from '../author.ts';
import type { Run } from '../context.ts';
import { CommandError } from '../exit.ts';
import { parseLength } from '../output/instants.ts';
import { counted } from '../output/numbers.ts';
import {
  caseJson,
  countJson,
  eventJson,
  outcomesJson,
  renderCase,
  renderCounts,
  renderEvents,
  renderOutcomes,
} from '../quarantine/quarantine-text.ts';
import { filterOf, selectionOf, type SelectionOptions } from '../quarantine/selection.ts';
import type { QuarantineDesk } from '../system/system.ts';

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
      run(async ({ out, system }) => {
        const statuses = options.status ?? (['waiting', 'replay_requested'] as const);
        const filter = { ...filterOf(options), statuses };
        const counts = await system.quarantine.counts(filter);
        const events = await system.quarantine.list(filter, {
          afterId: options.after,
          limit: options.limit,
        });
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
      run(async ({ out, system }) => {
        const read = await system.quarantine.read(id);
        if (read === null)
          throw new CommandError(`there is no quarantined event ${id}`, 'see "quarantine list"');
        const { found, decoded } = read;
        out.result(caseJson(found, decoded), (palette) => renderCase(found, decoded, palette));
        return 0;
      }),
    );
}

interface ReplayOptions extends SelectionOptions {
  readonly by?: string;
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
    .option('--by <name>', 'who asks: kept with each event (over the API: the key)', textOf(MAX_BY))
    .option('--because <text>', 'why: kept with each event', filled, 'asked for a replay')
    .option('--wait', 'return when each has an outcome')
    .option('--wait-timeout <length>', 'give up waiting after', '10m')
    .action((options: ReplayOptions) =>
      run(async (context) => {
        const { out, system, signal } = context;
        const filter = selectionOf(options);
        const deadlineMs = parseLength('--wait-timeout', options.waitTimeout);
        const request = { by: options.by ?? null, reason: options.because };
        const ids = await system.quarantine.settle('replay', filter, request);
        const outcomes =
          options.wait === true ? await waitForOutcomes(system.quarantine, ids, deadlineMs, signal) : null;
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

async function waitForOutcomes(
  quarantine: QuarantineDesk,
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
        const outcomes = await quarantine.outcomes(ids);
        return outcomes.pending === 0n ? outcomes : undefined;
      },
      { deadlineMs, everyMs: 200 },
    );
  } catch (error) {
    if (!(error instanceof DeadlineError)) throw error;
    const { pending } = await quarantine.outcomes(ids);
    throw new CommandError(
      `${counted(pending, 'event')} of ${ids.length} have no outcome after ${Math.round(deadlineMs / 1000)} s`,
      'is the aggregator running? The request stands; "quarantine list --status replay_requested" shows what is left',
      error,
    );
  }
}

interface DiscardOptions extends SelectionOptions {
  readonly by?: string;
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
    .option('--by <name>', 'who decides: kept with each event (over the API: the key)', textOf(MAX_BY))
    .action((options: DiscardOptions) =>
      run(async ({ out, system }) => {
        const filter = selectionOf(options);
        const request = { by: options.by ?? null, reason: options.because };
        const ids = await system.quarantine.settle('discard', filter, request);
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
