import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import {
  asOf,
  countedMetrics,
  hourlyUsage,
  inTransaction,
  readCountingProgress,
  registryChangesSince,
  usageBefore,
  type PoolClient,
} from '@meterhouse/postgres';
import {
  Backtest,
  planChanges,
  RegistryState,
  TooManyFindingsError,
  type BacktestOptions,
  type PolicySet,
  type UsageBefore,
  type Verdict,
} from '@meterhouse/quota';
import { DAY_MS } from '@meterhouse/usage';
import { wholeNumber } from '../arguments.ts';
import { backtestJson, renderBacktest } from '../backtest/backtest-text.ts';
import { questionOf, type BacktestQuestion } from '../backtest/question.ts';
import type { Context, Run } from '../context.ts';
import { CommandError, UsageError } from '../exit.ts';
import { parseLength } from '../output/instants.ts';
import { ProblemsError } from '../problems.ts';
import { policyOf } from '../registry/policy-of.ts';
import { parseRegistryFile, wantedDocuments, type RegistryFile } from '../registry/registry-file.ts';

interface CommandOptions {
  readonly file: string;
  readonly since: string;
  readonly tenant?: string;
  readonly limit: number;
}

/** Rows of (tenant, metric, hour): some minutes of reading. */
const MAX_ROWS = 10_000_000;
const MAX_FINDINGS = 50_000;
const MAX_SINCE_MS = 366 * DAY_MS;
const NARROWER = 'narrow it: --tenant, or a shorter --since';

export function addBacktest(program: Command, run: Run): void {
  program
    .command('backtest')
    .description(
      'Who would have been warned or denied, when first, how often and by how much, had a file’s limits applied to the recorded hours. Writes nothing.',
    )
    .requiredOption('-f, --file <plan.yaml>', 'as for apply; laid over the registry as it stands now')
    .option('--since <length>', 'from so long ago: 24h, 7d, 4w', '7d')
    .option('--tenant <id>', 'only this one and those below it')
    .option('--limit <n>', 'lines printed of each table', wholeNumber(1, 10_000), 100)
    .action((options: CommandOptions) => run((context) => backtest(options, context)));
}

async function backtest(options: CommandOptions, context: Context): Promise<0> {
  const { out, stores } = context;
  const sinceMs = parseLength('--since', options.since);
  if (sinceMs > MAX_SINCE_MS) throw new UsageError('--since: at most 366d');
  const file = parseRegistryFile(options.file, await readFile(options.file, 'utf8'));
  const times = { now: context.now(), sinceMs };
  const pool = await stores.postgres('meterhouse_reader');
  // One point in time: the registry, the usage, and up to when it is complete belong together.
  const answer = await inTransaction(
    pool,
    async (client) => {
      const laid = await laidOver(client, options.file, file, times.now);
      const question = questionOf(laid.policy, laid.registry, options.tenant ?? null, times);
      return {
        file: options.file,
        registryVersion: laid.policy.version,
        laidOver: laid.changes,
        from: question.from,
        to: question.to,
        asOf: asOf(stores.names.usageEventsTopic, await readCountingProgress(client), null),
        verdicts: await judge(
          client,
          laid.policy,
          question,
          await beforeTheFirst(client, laid.registry, question),
          context.signal,
        ),
      };
    },
    'repeatable read',
  );
  out.result(backtestJson(answer), (palette) => renderBacktest(answer, options.limit, palette));
  return 0;
}

async function laidOver(
  client: PoolClient,
  fileName: string,
  file: RegistryFile,
  now: number,
): Promise<{ policy: PolicySet; registry: RegistryState; changes: number }> {
  const stored = await registryChangesSince(client, 0n);
  const before = RegistryState.of(stored.documents);
  const wanted = wantedDocuments(file, before);
  // Nothing is written, so nobody needs a right to try it.
  const plan = planChanges(wanted, before, {
    countedMetrics: await countedMetrics(client),
    privileged: true,
    now,
  });
  if (plan.kind === 'refused') throw new ProblemsError(`${fileName} could not be applied`, plan.problems);
  return {
    policy: policyOf(stored, plan.changes),
    registry: before.with(wanted),
    changes: plan.changes.length,
  };
}

/** By metric: what totals begin with. */
async function beforeTheFirst(
  client: PoolClient,
  registry: RegistryState,
  { totals, tenantIds, loadFrom }: BacktestQuestion,
): Promise<ReadonlyMap<string, readonly UsageBefore[]>> {
  const tenants = tenantIds ?? [...registry.all('tenant').keys()];
  const found = new Map<string, UsageBefore[]>(totals.map((metric) => [metric, []]));
  for (const [metric, rows] of found) {
    const asked = tenants.map((tenantId) => ({ tenantId, metric, hour: loadFrom }));
    for await (const page of usageBefore(client, asked)) rows.push(...page);
  }
  return found;
}

async function judge(
  client: PoolClient,
  policy: PolicySet,
  question: BacktestQuestion,
  before: ReadonlyMap<string, readonly UsageBefore[]>,
  signal: AbortSignal,
): Promise<readonly Verdict[]> {
  const options: BacktestOptions = {
    from: question.from,
    before,
    judges: question.judges,
    maxFindings: MAX_FINDINGS,
  };
  const hours = new Backtest(policy, options);
  const { metrics, tenantIds, loadFrom, to } = question;
  let rows = 0;
  try {
    for await (const page of hourlyUsage(client, { metrics, tenantIds, from: loadFrom, to })) {
      if (signal.aborted) throw new CommandError('interrupted');
      rows += page.length;
      if (rows > MAX_ROWS) throw new CommandError(`more than ${MAX_ROWS} rows of hourly usage`, NARROWER);
      for (const row of page) hours.add(row);
    }
    return hours.end();
  } catch (error) {
    if (error instanceof TooManyFindingsError) throw new CommandError(error.message, NARROWER, error);
    throw error;
  }
}
