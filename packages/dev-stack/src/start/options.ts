/** What `npm start -- …` can be asked for. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';

/** What to do once the stack is up. */
export type Job =
  | { readonly kind: 'demo'; readonly seed: number; readonly events: number }
  | {
      readonly kind: 'import';
      readonly files: readonly string[];
      /** Options of `meterhouse import`, handed on as they stand. */
      readonly importArgs: readonly string[];
      readonly registry: string | null;
    }
  | { readonly kind: 'empty'; readonly registry: string | null };

export interface StartOptions {
  readonly dataDir: string;
  /** Stop when the job is done. */
  readonly once: boolean;
  readonly job: Job;
}

/** Nothing to start: help was asked for (0), or the call makes no sense (2). Commander has said so. */
export class NothingToStart extends Error {
  override name = 'NothingToStart';
  readonly exitCode: 0 | 2;

  constructor(exitCode: 0 | 2) {
    super('nothing to start');
    this.exitCode = exitCode;
  }
}

/** Options of `meterhouse import` that say how to read the files; all of them take a value. */
const IMPORT_OPTIONS: readonly (readonly [flags: string, description: string])[] = [
  ['--format <csv|jsonl>', 'where the ending does not say it'],
  ['--map <field=column>', 'the column that fills a field; may be repeated'],
  ['--set <field=value>', 'the same value for all rows; may be repeated'],
  ['--metric <name=column>', 'an event of this metric from every row; may be repeated'],
  ['--attr <key=column>', 'an attribute from a column; may be repeated'],
  ['--tenant-from <hash:N[:prefix]>', 'choose the tenant among N by the hash of the row'],
  ['--mapping <file.yaml>', 'all of these in a file'],
  ['--delimiter <character>', 'between columns'],
  ['--time-zone <zone>', 'of times that carry none'],
  ['--shift-days <n>', 'move every time by whole days'],
];

/** In the repository's root, as for the command. */
const DEFAULT_DATA_DIR = '.meterhouse';

const EXAMPLES = `
Examples
  npm start                                 a demonstration day, then it stays up
  npm start -- --once                       the same, then it stops; exit 0 when all is equal
  npm start -- --empty                      the servers and services only
  npm start -- --import events.jsonl --registry registry.yaml
  npm start -- --import trace.csv --registry registry.yaml --map ts=TIMESTAMP \\
    --metric llm.input_tokens=ContextTokens --tenant-from hash:12 --shift-days 1100`;

interface Given {
  readonly dataDir?: string;
  readonly once?: boolean;
  readonly import?: readonly string[];
  readonly registry?: string;
  readonly empty?: boolean;
  readonly seed?: number;
  readonly events?: number;
}

/**
 * @param args without the names of Node and the script
 * @param pathOf the full path of what a person typed
 * @throws NothingToStart
 */
export function parseOptions(args: readonly string[], pathOf: (typed: string) => string): StartOptions {
  const importArgs: string[] = [];
  const command = createCommand(importArgs, pathOf);
  try {
    command.parse([...args], { from: 'user' });
    const given = command.opts<Given>();
    const problem = contradiction(given, importArgs);
    if (problem !== null) command.error(`error: ${problem}`);
    return {
      dataDir: given.dataDir ?? DEFAULT_DATA_DIR,
      once: given.once === true,
      job: jobOf(given, importArgs),
    };
  } catch (error) {
    if (error instanceof CommanderError) throw new NothingToStart(error.exitCode === 0 ? 0 : 2);
    throw error;
  }
}

function createCommand(importArgs: string[], pathOf: (typed: string) => string): Command {
  const paths = (typed: string, before: readonly string[] | undefined): readonly string[] => [
    ...(before ?? []),
    pathOf(typed),
  ];
  const command = new Command('npm start --')
    .description('Brings Meterhouse up on this machine and drives usage through it.')
    .option('--data-dir <dir>', `where everything is kept (default: ${DEFAULT_DATA_DIR})`, pathOf)
    .option('--once', 'stop when the job is done')
    .option('--import <file...>', 'import these files instead of the demonstration day', paths)
    .option(
      '--registry <file.yaml>',
      'tenants and metrics to register first, with --import or --empty',
      pathOf,
    )
    .option('--empty', 'register and drive nothing')
    .addOption(
      new Option('--seed <n>', 'of the demonstration day (default: 1)').argParser(wholeNumber(0, 1e9)),
    )
    .addOption(
      new Option('--events <n>', 'of the demonstration day (default: 60000)').argParser(
        wholeNumber(100, 1e7),
      ),
    )
    .addHelpText('after', `\nHow files are read, as in "meterhouse import --help":`)
    .addHelpText('after', IMPORT_OPTIONS.map(([flags, text]) => `  ${flags.padEnd(32)} ${text}`).join('\n'))
    .addHelpText('after', EXAMPLES)
    .exitOverride();
  for (const [flags, description] of IMPORT_OPTIONS)
    command.addOption(
      new Option(flags, description).hideHelp().argParser((value: string): string => {
        const name = flags.split(' ')[0] ?? flags;
        importArgs.push(name, name === '--mapping' ? pathOf(value) : value);
        return value;
      }),
    );
  return command;
}

function contradiction(given: Given, importArgs: readonly string[]): string | null {
  const imports = given.import !== undefined;
  if (imports && given.empty === true) return '--import and --empty exclude each other';
  if (!imports && importArgs.length > 0)
    return `${importArgs[0] ?? ''} says how to read files: --import names them`;
  const demo = !imports && given.empty !== true;
  if (demo && given.registry !== undefined)
    return '--registry goes with --import or --empty; the demonstration brings its own';
  if (!demo && (given.seed !== undefined || given.events !== undefined))
    return '--seed and --events are for the demonstration day';
  return null;
}

function jobOf(given: Given, importArgs: readonly string[]): Job {
  const registry = given.registry ?? null;
  if (given.import !== undefined) return { kind: 'import', files: given.import, importArgs, registry };
  if (given.empty === true) return { kind: 'empty', registry };
  return { kind: 'demo', seed: given.seed ?? 1, events: given.events ?? 60_000 };
}

function wholeNumber(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^[0-9]{1,10}$/.test(text) && value >= low && value <= high) return value;
    throw new InvalidArgumentError(`must be a whole number from ${low} to ${high}`);
  };
}
