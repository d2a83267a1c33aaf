/** Writing documents of the registry, with who and why. */
import { userInfo } from 'node:os';
import { type Command } from 'commander';
import { changeRegistry, type Pool } from '@meterhouse/postgres';
import { planChanges, RegistryState, type ChangePlan, type WantedDocument } from '@meterhouse/quota';
import { ProblemsError } from '../problems.ts';

export interface AuthorOptions {
  readonly by?: string;
  readonly why?: string;
  readonly privileged?: boolean;
  readonly dryRun?: boolean;
}

export function addAuthorOptions(command: Command): Command {
  return command
    .option('--by <name>', 'who changes it, for the audit (default: the user of this process)')
    .option('--why <text>', 'why, for the audit')
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
  const author = { by: options.by ?? userInfo().username, why: options.why ?? `meterhouse ${what}` };
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
