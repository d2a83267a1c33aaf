import type { Command } from 'commander';
import { DOCUMENT_KINDS, type DocumentKind } from '@meterhouse/quota';
import { filled, oneOf, wholeNumber } from '../arguments.ts';
import type { Run } from '../context.ts';
import { CommandError } from '../exit.ts';
import { auditJson, renderAudit } from '../registry/audit-text.ts';
import { planJson, renderPlan } from '../registry/plan-text.ts';
import { addAuthorOptions, changeOptions, type AuthorOptions } from '../registry/author-options.ts';

export function addRegistry(program: Command, run: Run): void {
  const registry = program
    .command('registry')
    .description('What is registered: who changed it and why, and taking documents out.');
  addAudit(registry, run);
  addRemove(registry, run);
}

interface AuditOptions {
  readonly kind?: DocumentKind;
  readonly id?: string;
  readonly privileged?: boolean;
  readonly limit: number;
}

function addAudit(registry: Command, run: Run): void {
  registry
    .command('audit')
    .description('Every change, the newest first: when, who, what before and after, why.')
    .option('--kind <kind>', DOCUMENT_KINDS.join(', '), oneOf(DOCUMENT_KINDS))
    .option('--id <id>', 'of this document', filled)
    .option('--privileged', 'only what was done by privilege: raising a ceiling, delegating the right to')
    .option('--limit <n>', 'changes listed', wholeNumber(1, 10_000), 50)
    .action((options: AuditOptions) =>
      run(async ({ out, system }) => {
        const { kind = null, id = null, privileged = false, limit } = options;
        const changes = await system.registry.history({ kind, id, privileged, limit });
        out.result(auditJson(changes), (palette) => renderAudit(changes, limit, palette));
        return 0;
      }),
    );
}

function addRemove(registry: Command, run: Run): void {
  const command = registry
    .command('remove')
    .description('Takes a document out. Refused while another names it. Its history stays.')
    .argument('<kind>', DOCUMENT_KINDS.join(', '), oneOf(DOCUMENT_KINDS))
    .argument('<id>', 'which', filled);
  addAuthorOptions(command, 'required').action((kind: DocumentKind, id: string, options: AuthorOptions) =>
    run(async ({ out, system }) => {
      const changed = await system.registry.change(
        'registry remove',
        (before) => {
          if (before.get(kind, id) === undefined)
            throw new CommandError(`there is no ${kind} ${id}`, 'see "meterhouse registry audit"');
          return [{ kind, id, body: null, path: `${kind} ${id}` }];
        },
        changeOptions('registry remove', options),
      );
      out.result(planJson(changed), (palette) => renderPlan(changed, palette));
      return 0;
    }),
  );
}
