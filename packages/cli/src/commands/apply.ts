import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { Run } from '../context.ts';
import { planJson, renderPlan } from '../registry/plan-text.ts';
import { parseRegistryFile, wantedDocuments } from '../registry/registry-file.ts';
import { addAuthorOptions, changeOptions, type AuthorOptions } from '../registry/author-options.ts';

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
    run(async ({ out, system }) => {
      const file = parseRegistryFile(options.file, await readFile(options.file, 'utf8'));
      const changed = await system.registry.change(
        options.file,
        (before) => wantedDocuments(file, before),
        changeOptions(options.file, options),
      );
      out.result(planJson(changed), (palette) => renderPlan(changed, palette));
      return 0;
    }),
  );
}
