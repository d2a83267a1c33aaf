import type { Command } from 'commander';
import type { UsagePeriod } from '@meterhouse/postgres';
import { oneOf } from '../arguments.ts';
import type { Context, Run } from '../context.ts';
import { CommandError } from '../exit.ts';
import { spanOf, type SpanOptions } from '../usage/period.ts';
import { renderUsage, usageJson } from '../usage/usage-text.ts';

type Store = 'postgres' | 'clickhouse';

interface UsageOptions extends SpanOptions {
  readonly tenant: string;
  readonly descendants?: boolean;
  readonly metric?: string;
  readonly by: UsagePeriod;
  readonly store: Store;
}

/** More would not be read by anybody; scripts have the tables. */
const MAX_ROWS = 100_000;

export function addUsage(program: Command, run: Run): void {
  const usage = program.command('usage').description('What tenants have used.');
  usage
    .command('show')
    .description('A tenant’s usage, and up to when it is complete.')
    .requiredOption('--tenant <id>', 'whose')
    .option('--descendants', 'also of every tenant below it, and of all together')
    .option('--metric <name>', 'only this one')
    .option('--since <length>', 'from so long ago: 24h, 7d, 4w (default: 24h)')
    .option('--from <instant>', '2026-11-22 or 2026-11-22T17:00:00Z, on the hour')
    .option('--to <instant>', 'not included (default: the end of this hour)')
    .option('--by <period>', 'hour, day or total', oneOf<UsagePeriod>(['hour', 'day', 'total']), 'total')
    .option('--store <store>', 'postgres or clickhouse', oneOf<Store>(['postgres', 'clickhouse']), 'postgres')
    .action((options: UsageOptions) => run((context) => showUsage(options, context)));
}

async function showUsage(options: UsageOptions, context: Context): Promise<0> {
  const { tenant: tenantId, by, store } = options;
  const span = spanOf(options, by === 'day', context.now());
  const descendants = options.descendants === true;
  const { lines, asOf } = await context.system.usage({
    ...{ tenantId, descendants, span, by, store, maxRows: MAX_ROWS },
    metric: options.metric ?? null,
  });
  if (lines.filter((line) => line.tenantId !== null).length > MAX_ROWS)
    throw new CommandError(`more than ${MAX_ROWS} rows`, 'narrow it: --metric, a shorter span, or --by day');
  const answer = { tenantId, descendants, by, store, span, lines, asOf };
  context.out.result(usageJson(answer), (palette) => renderUsage(answer, palette));
  return 0;
}
