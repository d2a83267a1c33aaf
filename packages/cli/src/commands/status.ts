import type { Command } from 'commander';
import type { Context, Run } from '../context.ts';
import type { ExitCode } from '../exit.ts';
import { parseLength } from '../output/instants.ts';
import { watching, withWatching, type WatchOptions } from '../output/watching.ts';
import { askAll } from '../status/ask.ts';
import { judge } from '../status/judge.ts';
import { statusJson } from '../status/status-json.ts';
import { renderStatus } from '../status/status-text.ts';

interface StatusOptions extends WatchOptions {
  readonly timeout: string;
}

export function addStatus(program: Command, run: Run): void {
  withWatching(
    program
      .command('status')
      .description('One look: what is healthy, what is behind and by how much, and what to do.')
      .option('--timeout <length>', 'that each part may take for its answer', '5s')
      .addHelpText(
        'after',
        '\nExit codes: 0 healthy; 1 behind, or needs a person; 2 wrong usage. With --watch: of the last look.',
      ),
  ).action((options: StatusOptions) =>
    run((context) => {
      const deadlineMs = parseLength('--timeout', options.timeout);
      return watching(options, context.signal, (again) => showStatus(context, deadlineMs, again));
    }),
  );
}

async function showStatus(
  { out, stores, now }: Context,
  deadlineMs: number,
  again: boolean,
): Promise<ExitCode> {
  const facts = await askAll({ stores, deadlineMs, now });
  const status = judge(facts);
  if (again) out.clear();
  out.result(statusJson(status, facts), (palette) => renderStatus(status, out.columns, palette));
  return status.verdict === 'healthy' ? 0 : 1;
}
