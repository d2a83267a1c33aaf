import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { changeRegistry } from '@meterhouse/postgres';
import type { Run } from '../context.ts';
import { ProblemsError } from '../problems.ts';
import { parseRegistryFile, type RegistryFile } from '../registry/registry-file.ts';
import { planJson, renderPlan } from '../registry/plan-text.ts';
import { planRegistry, type RegistryPlan } from '../registry/registry-plan.ts';

interface ApplyOptions {
  readonly file: string;
  readonly dryRun?: boolean;
}

export function addApply(program: Command, run: Run): void {
  program
    .command('apply')
    .description('Registers the tenants and metrics of a file. What is not in the file stays as it is.')
    .requiredOption('-f, --file <registry.yaml>', 'tenants and metrics')
    .option('--dry-run', 'say what would change, change nothing')
    .action((options: ApplyOptions) =>
      run(async ({ out, stores }) => {
        const file = parseRegistryFile(options.file, await readFile(options.file, 'utf8'));
        const pool = await stores.postgres('meterhouse_operator');
        const dryRun = options.dryRun === true;
        const { version, decided } = await changeRegistry(
          pool,
          (now) => acceptedPlan(options.file, file, now),
          {
            dryRun,
          },
        );
        out.result(planJson(decided, version, dryRun), (palette) =>
          renderPlan(decided, version, dryRun, palette),
        );
        return 0;
      }),
    );
}

function acceptedPlan(
  fileName: string,
  file: RegistryFile,
  now: Parameters<typeof planRegistry>[1],
): RegistryPlan {
  const plan = planRegistry(file, now);
  if (plan.kind === 'refused') throw new ProblemsError(`${fileName} cannot be applied`, plan.problems);
  return plan;
}
