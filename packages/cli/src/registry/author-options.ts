/** Who changes the registry, and why, as it is said on the command line. */
import type { Command } from 'commander';
import { textOf } from '../arguments.ts';
import { MAX_BY } from '../author.ts';
import type { ChangeOptions } from '../system/system.ts';

/** Characters of a reason, here and in the audit. */
export const MAX_WHY = 1_000;

export interface AuthorOptions {
  readonly by?: string;
  readonly why?: string;
  readonly privileged?: boolean;
  readonly dryRun?: boolean;
}

/** @param why `said_otherwise`: the command has an option of its own for it */
export function addAuthorOptions(
  command: Command,
  why: 'optional' | 'required' | 'said_otherwise' = 'optional',
): Command {
  if (why === 'required') command.requiredOption('--why <text>', 'why, for the audit', textOf(MAX_WHY));
  if (why === 'optional') command.option('--why <text>', 'why, for the audit', textOf(MAX_WHY));
  return command
    .option(
      '--by <name>',
      'who changes it, for the audit (default: the user of this process)',
      textOf(MAX_BY),
    )
    .option('--privileged', 'raise ceilings, or delegate the right to; audited as such')
    .option('--dry-run', 'say what would change, change nothing');
}

/** @param what names the change where no reason was given */
export function changeOptions(what: string, options: AuthorOptions): ChangeOptions {
  return {
    by: options.by ?? null,
    why: options.why ?? `meterhouse ${what}`.slice(0, MAX_WHY),
    privileged: options.privileged === true,
    dryRun: options.dryRun === true,
  };
}
