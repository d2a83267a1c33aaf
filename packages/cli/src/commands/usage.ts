import type { Command } from 'commander';
import { fetchLogEnds } from '@meterhouse/kafka';
import {
  asOf,
  inTransaction,
  readCountingProgress,
  readMetrics,
  readSubtree,
  readUsage,
  type AsOf,
  type LogEnds,
  type UsagePeriod,
  type UsageRow,
} from '@meterhouse/postgres';
import { oneOf } from '../arguments.ts';
import type { Context, Run } from '../context.ts';
import { CommandError } from '../exit.ts';
import { requireTopic } from '../import/counted-wait.ts';
import { readMirrorUsage } from '../usage/mirror-usage.ts';
import { spanOf, type Span, type SpanOptions } from '../usage/period.ts';
import { usageLines } from '../usage/usage-table.ts';
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
  const span = spanOf(options, options.by === 'day', context.now());
  const descendants = options.descendants === true;
  const read = options.store === 'postgres' ? fromPostgres : fromClickHouse;
  const { rows, as } = await read(options, span, context);
  if (rows.length > MAX_ROWS)
    throw new CommandError(`more than ${MAX_ROWS} rows`, 'narrow it: --metric, a shorter span, or --by day');
  const answer = {
    tenantId: options.tenant,
    descendants,
    by: options.by,
    store: options.store,
    span,
    lines: usageLines(rows, descendants),
    asOf: as,
  };
  context.out.result(usageJson(answer), (palette) => renderUsage(answer, palette));
  return 0;
}

interface Answered {
  readonly rows: readonly UsageRow[];
  readonly as: AsOf;
}

/** Usage and watermark at one point: otherwise the one could promise what the other does not hold. */
async function fromPostgres(options: UsageOptions, span: Span, context: Context): Promise<Answered> {
  const { stores } = context;
  const topic = stores.names.usageEventsTopic;
  const pool = await stores.postgres('meterhouse_reader');
  const { rows, progress } = await inTransaction(
    pool,
    async (client) => {
      const tenants = await readSubtree(client, options.tenant);
      if (tenants.length === 0) throw unknownTenant(options.tenant);
      return {
        progress: await readCountingProgress(client),
        rows: await readUsage(
          client,
          {
            tenantId: options.tenant,
            tenants: options.descendants === true ? 'each' : 'own',
            metrics: options.metric === undefined ? null : [options.metric],
            ...span,
            by: options.by,
            maxRows: MAX_ROWS,
          },
          await readMetrics(client),
        ),
      };
    },
    'repeatable read',
  );
  return { rows, as: asOf(topic, progress, await logEnds(context)) };
}

async function fromClickHouse(options: UsageOptions, span: Span, context: Context): Promise<Answered> {
  const { stores } = context;
  const topic = stores.names.usageEventsTopic;
  const pool = await stores.postgres('meterhouse_reader');
  const tenants = await readSubtree(pool, options.tenant);
  if (tenants.length === 0) throw unknownTenant(options.tenant);
  const question = {
    tenantIds: options.descendants === true ? tenants.map(({ id }) => id) : [options.tenant],
    metric: options.metric ?? null,
    ...span,
    by: options.by,
    maxRows: MAX_ROWS,
  };
  const { rows, completeThrough } = await readMirrorUsage(
    await stores.clickhouse(),
    question,
    await readMetrics(pool),
  );
  const counting = asOf(topic, await readCountingProgress(pool), null);
  return { rows, as: { ...counting, completeThrough } };
}

/** Null when Kafka cannot be asked: usage is worth showing all the same, with its watermark. */
async function logEnds({ stores, out }: Context): Promise<LogEnds | null> {
  const topic = stores.names.usageEventsTopic;
  try {
    const admin = await stores.kafkaAdmin();
    await requireTopic(admin, topic);
    return await fetchLogEnds(admin, topic);
  } catch (error) {
    out.note(
      `how many events are behind is not known: ${error instanceof Error ? error.message : String(error)}`,
    );
    return null;
  }
}

function unknownTenant(id: string): CommandError {
  return new CommandError(`there is no tenant ${id}`, 'see the registry file, or "meterhouse apply" it');
}
