import type { Command } from 'commander';
import { asText, filled, repeated, wholeNumber } from '../arguments.ts';
import type { Run } from '../context.ts';
import type { DecideOptions } from '../decide/asked.ts';
import { decisionJson, renderDecision } from '../decide/decision-text.ts';

export function addDecide(program: Command, run: Run): void {
  program
    .command('decide')
    .description(
      'What a gate would answer now; nothing is taken. Exit code 0 for allow and warn, 1 for deny.',
    )
    .requiredOption('--tenant <id>', 'where it is asked: a project, department or organization', filled)
    .option('--metric <name>', 'what it will use')
    .option('--delta <amount>', 'how much of it (default: 1)')
    .option('--unit <unit>', 'its unit (default: the metric’s own)')
    .option('--product <id>', 'needed where several offer the metric')
    .option('--resource <type>', 'type of the resource')
    .option('--action <name>', 'what is done with it')
    .option('--slots <n>', 'units of the action’s capacity pool (default: 1)', wholeNumber(0, 1_000_000_000))
    .option('--actor <type:id>', 'who asks (default: the user of this process)', filled)
    .option('--role <name>', 'a role of the actor; may be repeated', repeated(asText))
    .option('--scope <name>', 'a scope of the actor; may be repeated', repeated(asText))
    .option('--attribute <name=value>', 'what policies may look at; may be repeated', repeated(asText))
    .option('--explain', 'the whole walk: each question, its answer, and why')
    .action((options: DecideOptions) =>
      run(async ({ out, system }) => {
        const decision = await system.decisions.decide(options);
        out.result(decisionJson(decision), (palette) => renderDecision(decision, palette));
        return decision.outcome === 'deny' ? 1 : 0;
      }),
    );
}
