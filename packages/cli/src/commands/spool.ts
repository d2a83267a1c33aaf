import { join } from 'node:path';
import type { Command } from 'commander';
import { asText, filled, repeated, textOf, wholeNumber } from '../arguments.ts';
import { authorOf, MAX_BY } from '../author.ts';
import type { Context, Run } from '../context.ts';
import type { ExitCode } from '../exit.ts';
import { parseLength } from '../output/instants.ts';
import { counted } from '../output/numbers.ts';
import { DiscardRecord } from '../spool/discard-record.ts';
import { chooseFrom, decideOn, readFolder, type Decided, type SpoolFileReport } from '../spool/folder.ts';
import { placeOf, selectionOf, textAt, type FoundAside, type SpoolSelection } from '../spool/selection.ts';
import { asideJson, fileJson, renderAside, renderFiles } from '../spool/spool-text.ts';

export function addSpool(program: Command, run: Run): void {
  const spool = program
    .command('spool')
    .description('The folder of a producer’s spool: what waits there, and what was set aside.');
  addList(spool, run);
  addRetry(spool, run);
  addDiscard(spool, run);
}

function addList(spool: Command, run: Run): void {
  spool
    .command('list')
    .description('Each file: whether a process holds it, what waits, and what was set aside and why.')
    .argument('<folder>', 'of the spool’s files')
    .option('--limit <n>', 'set-aside events listed', wholeNumber(0, 100_000), 20)
    .action((folder: string, { limit }: { limit: number }) =>
      run(async ({ out, now }) => {
        const listed: FoundAside[] = [];
        let total = 0;
        const reports = await readFolder(folder, (found) => {
          total += 1;
          if (listed.length < limit) listed.push(found);
        });
        const nowMs = now();
        out.result(
          {
            files: reports.map((report) => fileJson(report, nowMs)),
            setAside: listed.map(asideJson),
            setAsideTotal: total,
          },
          (palette) =>
            reports.length === 0
              ? 'there is no spool file in this folder\n'
              : `${renderFiles(reports, nowMs, palette)}${renderAside(listed, total, palette)}`,
        );
        return 0;
      }),
    );
}

interface DecideOptions extends SpoolSelection {
  readonly waitTimeout: string;
}

function addRetry(spool: Command, run: Run): void {
  withSelection(
    spool
      .command('retry')
      .description('Puts set-aside events back in line under their ids: each counts once, however often.'),
  ).action((folder: string, options: DecideOptions) =>
    run(async (context) => {
      const selection = watched(options);
      let unreadable = 0;
      const { chosen, reports } = await chooseFrom(folder, (found) => {
        if (!selection.isChosen(found)) return false;
        if (found.event !== null) return true;
        unreadable += 1;
        return false;
      });
      const decided = await decideOn(folder, 'retry', chosen, limitsOf(options, context));
      const problems = [...decided.problems, ...problemsOf(reports), ...selection.unfound()];
      if (unreadable > 0)
        problems.push(`${counted(unreadable, 'event')} cannot be read any more: they can only be discarded`);
      const isHeldByNone = reports.some(
        ({ file, contents }) => chosen.has(file) && contents?.isHeld === false,
      );
      return told(context, { retried: decided.done }, decided, problems, () => {
        const hint = isHeldByNone
          ? 'a file that no process holds goes on when one looks for such files, or starts\n'
          : '';
        return `${counted(decided.done, 'event')} back in line\n${decided.done > 0 ? hint : ''}`;
      });
    }),
  );
}

interface DiscardOptions extends DecideOptions {
  readonly because: string;
  readonly by?: string;
  readonly to?: string;
}

function addDiscard(spool: Command, run: Run): void {
  withSelection(
    spool
      .command('discard')
      .description(
        'Decides that set-aside events are never to be counted. They are written to a record first, with the reason.',
      ),
  )
    .requiredOption('--because <text>', 'why: kept with each event', filled)
    .option('--by <name>', 'who decides: kept with each event (default: this user)', textOf(MAX_BY))
    .option('--to <file>', 'the record, one JSON object a line (default: FOLDER/discarded.jsonl)')
    .action((folder: string, options: DiscardOptions) =>
      run(async (context) => {
        const selection = watched(options);
        const recordFile = options.to ?? join(folder, 'discarded.jsonl');
        const limits = limitsOf(options, context);
        const decision = { by: authorOf(options.by ?? null), because: options.because, atMs: context.now() };
        const { chosen, reports } = await recorded(recordFile, decision, (record) =>
          chooseFrom(folder, (found) => {
            if (!selection.isChosen(found)) return false;
            record(found);
            return true;
          }),
        );
        const decided = await decideOn(folder, 'discard', chosen, limits);
        const problems = [...decided.problems, ...problemsOf(reports), ...selection.unfound()];
        const record = chosen.size === 0 ? null : recordFile;
        return told(context, { discarded: decided.done, record }, decided, problems, () =>
          record === null
            ? 'nothing to discard\n'
            : `${counted(decided.done, 'event')} discarded; in full in ${record}\n`,
        );
      }),
    );
}

/** The record is made with the first event that goes into it, and on the disk when this resolves. */
async function recorded<T>(
  path: string,
  decision: ConstructorParameters<typeof DiscardRecord>[1],
  work: (record: (found: FoundAside) => void) => Promise<T>,
): Promise<T> {
  let record: DiscardRecord | null = null;
  try {
    return await work((found) => {
      record ??= new DiscardRecord(path, decision);
      record.add(found);
    });
  } finally {
    (record as DiscardRecord | null)?.close();
  }
}

/** A selection that knows which of the ids it was given it has met. */
function watched(options: SpoolSelection): {
  readonly isChosen: (found: FoundAside) => boolean;
  readonly unfound: () => string[];
} {
  const isChosen = selectionOf(options);
  const unmet = new Set(options.id);
  return {
    isChosen: (found) => {
      if (!isChosen(found)) return false;
      unmet.delete(placeOf(found));
      unmet.delete(textAt(found, 'id') ?? '');
      return true;
    },
    unfound: () => [...unmet].map((id) => `${id} is not set aside here`),
  };
}

function limitsOf({ waitTimeout }: DecideOptions, { signal, now }: Context): Parameters<typeof decideOn>[3] {
  return { deadlineMs: parseLength('--wait-timeout', waitTimeout), signal, now };
}

function problemsOf(reports: readonly SpoolFileReport[]): string[] {
  return reports.flatMap(({ problem }) => (problem === null ? [] : [problem]));
}

function told(
  { out }: Context,
  result: Readonly<Record<string, number | string | null>>,
  { gone }: Decided,
  problems: readonly string[],
  text: () => string,
): ExitCode {
  for (const problem of problems) out.note(`problem: ${problem}`);
  out.result({ ...result, gone, problems }, () =>
    gone === 0 ? text() : `${text()}${counted(gone, 'event')} had gone meanwhile\n`,
  );
  return problems.length === 0 ? 0 : 1;
}

function withSelection(command: Command): Command {
  return command
    .argument('<folder>', 'of the spool’s files')
    .option('--id <id>', 'the event of this id, or FILE#NUMBER as listed; may be repeated', repeated(asText))
    .option('--reason <reason>', 'refused for this reason')
    .option('--all', 'everything that was set aside; never what waits')
    .option('--wait-timeout <length>', 'how long a process that holds a file may take', '90s');
}
