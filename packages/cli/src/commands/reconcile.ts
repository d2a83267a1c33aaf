import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { compareMirror, type MirrorComparison } from '@meterhouse/clickhouse';
import { mirrorComparisonSource } from '@meterhouse/postgres';
import { wholeNumber } from '../arguments.ts';
import type { Context, Run } from '../context.ts';
import type { ExitCode } from '../exit.ts';
import { requireTopic } from '../import/counted-wait.ts';
import { parseLength } from '../output/instants.ts';
import { withThousands } from '../output/numbers.ts';
import { startProgress } from '../output/progress.ts';
import { createReporter } from '../output/reporter.ts';
import { parseExpectedFile } from '../reconcile/expected-file.ts';
import { reconcile } from '../reconcile/reconcile.ts';
import { reconcileJson } from '../reconcile/reconcile-json.ts';
import { renderReconciliation } from '../reconcile/reconcile-text.ts';
import { verdictOf } from '../reconcile/verdict.ts';

interface ReconcileCommandOptions {
  readonly metric?: string;
  readonly expected?: string;
  readonly maxEvents: number;
  readonly limit: number;
  readonly clickhouse: boolean;
  readonly mirrorTimeout: string;
}

const HELP = `
What is compared, in events and in exact sums, at one instant of Postgres
  producers (what they reported) = Kafka (its log counted anew: distinct by tenant, id and content)
  Kafka = Postgres buckets + what waits in quarantine + what was discarded
  Postgres = ClickHouse, every column of every bucket
Where Kafka's retention has deleted records, what can no longer be compared is said, not guessed.`;

export function addReconcile(program: Command, run: Run): void {
  program
    .command('reconcile')
    .description(
      'Proves that nothing was lost or counted twice: producers = Kafka = Postgres + quarantine = ClickHouse.',
    )
    .option('--metric <name>', 'only this one')
    .option('--expected <file.json>', 'what was sent in all: {"<metric>": {"events": "123", "sum": "456.7"}}')
    .option(
      '--max-events <n>',
      'different events that may be told apart, about 30 bytes of memory each',
      wholeNumber(1, 200_000_000),
      20_000_000,
    )
    .option('--limit <n>', 'differences listed', wholeNumber(1, 10_000), 20)
    .option('--no-clickhouse', 'leave the mirror out')
    .option('--mirror-timeout <length>', 'how long the mirror may take to come up with Postgres', '60s')
    .addHelpText('after', HELP)
    .action((options: ReconcileCommandOptions) => run((context) => reconcileAll(options, context)));
}

async function reconcileAll(options: ReconcileCommandOptions, context: Context): Promise<ExitCode> {
  const { out, stores, signal } = context;
  const topic = stores.names.usageEventsTopic;
  const metric = options.metric ?? null;
  const mirrorTimeoutMs = parseLength('--mirror-timeout', options.mirrorTimeout);
  const expected =
    options.expected === undefined
      ? null
      : parseExpectedFile(options.expected, await readFile(options.expected, 'utf8'));
  const pool = await stores.postgres('meterhouse_reader');
  const admin = await stores.kafkaAdmin();
  await requireTopic(admin, topic);
  // Before the long work, so that a store that is away is said at once.
  const clickhouse = options.clickhouse ? await stores.clickhouse() : null;
  const bar = startProgress(out.progressSink, 'counting Kafka anew', 1);
  const result = await reconcile(
    { topic, metric, expected, maxEvents: options.maxEvents, maxListed: options.limit },
    {
      pool,
      kafka: await stores.kafka(),
      admin,
      schemas: stores.schemaRegistry(),
      signal,
      onProgress: (records, of) => {
        bar.update(Number(records) / Math.max(Number(of), 1), `${withThousands(records)} messages`);
      },
    },
  ).finally(() => bar.stop());
  let mirror: MirrorComparison | null = null;
  if (clickhouse !== null) {
    const report = createReporter(out);
    report('comparing Postgres with ClickHouse');
    mirror = await compareMirror({
      clickhouse,
      source: mirrorComparisonSource(pool),
      maxListed: options.limit,
      catchUpMs: mirrorTimeoutMs,
      signal,
    }).finally(() => report.end());
  }
  out.result(reconcileJson(result, mirror, metric), (palette) =>
    renderReconciliation(result, mirror, metric, palette),
  );
  return verdictOf(result, mirror) === 'different' ? 1 : 0;
}
