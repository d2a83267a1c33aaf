import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { Run } from '../context.ts';
import { planJson, renderPlan } from '../registry/plan-text.ts';
import { parseRegistryFile, wantedDocuments } from '../registry/registry-file.ts';
import { addAuthorOptions, writeRegistry, type AuthorOptions } from '../registry/write-registry.ts';

interface ApplyOptions extends AuthorOptions {
  readonly file: string;
}

export function addApply(program: Command, run: Run): void {
  const command = program
    .command('apply')
    .description(
      'Registers what a file names: tenants, metrics, products, plans, limits and what may exceed them. What is not in the file stays as it is.',
    )
    .requiredOption('-f, --file <registry.yaml>', 'the documents');
  addAuthorOptions(command).action((options: ApplyOptions) =>
    run(async ({ out, stores, now }) => {
      const file = parseRegistryFile(options.file, await readFile(options.file, 'utf8'));
      const pool = await stores.postgres('meterhouse_operator');
      const { plan, version, dryRun } = await writeRegistry(
        pool,
        options.file,
        (before) => wantedDocuments(file, before),
        { ...options, now: now() },
      );
      out.result(planJson(plan, version, dryRun), (palette) => renderPlan(plan, version, dryRun, palette));
      return 0;
    }),
  );
}
