import type { Command } from 'commander';
import { REASONS } from '@meterhouse/quota';
import { filled, oneOf, uuid, wholeNumber } from '../arguments.ts';
import type { Run } from '../context.ts';
import {
  decisionJson,
  explanationJson,
  renderDecisions,
  renderExplanation,
} from '../decisions/decision-text.ts';
import { parseLength } from '../output/instants.ts';

export function addDecisions(program: Command, run: Run): void {
  const decisions = program
    .command('decisions')
    .description('What was denied or warned of: look, and have it decided again.');
  addList(decisions, run);
  addExplain(decisions, run);
}

const OUTCOMES = ['allow', 'deny', 'warn'] as const;

interface ListOptions {
  readonly tenant?: string;
  readonly outcome?: (typeof OUTCOMES)[number];
  readonly reason?: string;
  readonly since?: string;
  readonly limit: number;
}

function addList(decisions: Command, run: Run): void {
  decisions
    .command('list')
    .description('The newest first.')
    .option('--tenant <id>', 'asked in this scope', filled)
    .option('--outcome <outcome>', OUTCOMES.join(', '), oneOf(OUTCOMES))
    .option('--reason <reason>', `such as ${REASONS.slice(5, 8).join(', ')}`, oneOf(REASONS))
    .option('--since <length>', 'of the last 24h, 7d or 4w')
    .option('--limit <n>', 'decisions listed', wholeNumber(1, 10_000), 50)
    .action((options: ListOptions) =>
      run(async ({ out, system, now }) => {
        const since = options.since === undefined ? null : now() - parseLength('--since', options.since);
        const listed = await system.decisions.list({
          tenantId: options.tenant ?? null,
          outcome: options.outcome ?? null,
          reason: options.reason ?? null,
          since,
          limit: options.limit,
        });
        out.result({ decisions: listed.map(decisionJson) }, (palette) => {
          if (listed.length === 0) return 'no decision of this kind is kept\n';
          const more = listed.length === options.limit ? palette.dim('there may be more: --limit\n') : '';
          return `${renderDecisions(listed, palette)}${more}`;
        });
        return 0;
      }),
    );
}

function addExplain(decisions: Command, run: Run): void {
  decisions
    .command('explain')
    .description(
      'Decides once more, with what was known then, by the registry of then. Exit code 1 when it does not come out the same.',
    )
    .argument('<id>', 'as listed', uuid)
    .action((id: string) =>
      run(async ({ out, system }) => {
        const explanation = await system.decisions.explain(id);
        out.result(explanationJson(explanation), (palette) => renderExplanation(explanation, palette));
        return explanation.differences.length === 0 ? 0 : 1;
      }),
    );
}
