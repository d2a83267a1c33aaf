import { InvalidArgumentError, type Command } from 'commander';
import { verifyAudit, type AuditHead } from '@meterhouse/postgres/access';
import { renderRows, renderVerdict, rowJson, verdictJson } from '../access/audit-text.ts';
import { bigNumber, filled, wholeNumber } from '../arguments.ts';
import type { Run } from '../context.ts';
import { parseInstantOption } from '../output/instants.ts';
import { withThousands } from '../output/numbers.ts';
import { createReporter } from '../output/reporter.ts';

export function addAudit(program: Command, run: Run): void {
  const audit = program
    .command('audit')
    .description('What was done, by whom, with what outcome: look, and check that nothing was taken out.');
  addList(audit, run);
  addVerify(audit, run);
}

interface ListOptions {
  readonly tenant?: string;
  readonly action?: string;
  readonly by?: string;
  readonly since?: string;
  readonly limit: number;
  readonly before?: bigint;
}

function addList(audit: Command, run: Run): void {
  audit
    .command('list')
    .description('The newest first. Of the registry, "meterhouse registry audit" shows before and after too.')
    .option('--tenant <id>', 'concerning this one', filled)
    .option('--action <name>', 'such as registry.change, key.create, quarantine.discard', filled)
    .option('--by <name>', 'done by this actor', filled)
    .option('--since <instant>', 'from then on; a day is its start in UTC')
    .option('--limit <n>', 'entries listed', wholeNumber(1, 10_000), 50)
    .option('--before <seq>', 'go on before this one', bigNumber)
    .action((options: ListOptions) =>
      run(async ({ out, system }) => {
        const since = options.since === undefined ? null : parseInstantOption('--since', options.since);
        const rows = await system.audit({
          tenantId: options.tenant ?? null,
          action: options.action ?? null,
          actorId: options.by ?? null,
          since,
          beforeSeq: options.before ?? null,
          limit: options.limit,
        });
        out.result({ entries: rows.map(rowJson) }, (palette) => renderRows(rows, options.limit, palette));
        return 0;
      }),
    );
}

function addVerify(audit: Command, run: Run): void {
  audit
    .command('verify')
    .description(
      'Works the whole chain out again. Says where it is broken and why; ends with 1 then. Note the head that it prints somewhere else.',
    )
    .option(
      '--head <seq:hash>',
      'a head that was noted before: finds a log that was cut off or made anew',
      head,
    )
    .action((options: { readonly head?: AuditHead }) =>
      run(async ({ out, stores }) => {
        const report = createReporter(out);
        const verdict = await verifyAudit(await stores.postgres('meterhouse_reader'), {
          noted: options.head ?? null,
          onPage: (checked) => report(`checking: ${withThousands(checked)} rows`),
        }).finally(() => report.end());
        out.result(verdictJson(verdict), (palette) =>
          renderVerdict(verdict, options.head !== undefined, palette),
        );
        return verdict.kind === 'whole' ? 0 : 1;
      }),
    );
}

function head(text: string): AuditHead {
  const [, seq, hash] = /^([0-9]{1,18}):([0-9a-f]{64})$/i.exec(text) ?? [];
  if (seq === undefined || hash === undefined)
    throw new InvalidArgumentError('must be SEQ:HASH, as "audit verify" prints it');
  return { seq: BigInt(seq), hash: hash.toLowerCase() };
}
