/** Writing documents of the registry, with who and why. */
import { type Command } from 'commander';
import { changeRegistry, type Pool } from '@meterhouse/postgres';
import { planChanges, RegistryState, type ChangePlan, type WantedDocument } from '@meterhouse/quota';
import { textOf } from '../arguments.ts';
import { authorOf, MAX_BY } from '../author.ts';
import { ProblemsError } from '../problems.ts';

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

/**
 * Writes what `wanted` asks for, all or nothing.
 * @param what names it in the error, such as the file
 * @throws ProblemsError listing everything that is wrong with it
 */
export async function writeRegistry(
  pool: Pool,
  what: string,
  wanted: (now: RegistryState) => readonly WantedDocument[],
  options: AuthorOptions & { readonly now: number },
): Promise<{ version: bigint; plan: ChangePlan; dryRun: boolean }> {
  const dryRun = options.dryRun === true;
  const author = { by: authorOf(options), why: options.why ?? `meterhouse ${what}`.slice(0, MAX_WHY) };
  const { version, decided } = await changeRegistry(
    pool,
    ({ documents, countedMetrics }) => {
      const before = RegistryState.of(documents);
      const { now, privileged = false } = options;
      const plan = planChanges(wanted(before), before, { countedMetrics, privileged, now });
      if (plan.kind === 'refused') throw new ProblemsError(`${what} cannot be applied`, plan.problems);
      return plan;
    },
    { author, dryRun },
  );
  return { version, plan: decided, dryRun };
}
