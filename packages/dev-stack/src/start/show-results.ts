/** What it has all come to: usage, quarantine, the reconciliation's verdict, a snapshot, and where to look next. */
import { relative } from 'node:path';
import { pino } from 'pino';
import { createRegistry, TOPICS } from '@meterhouse/kafka';
import { countQuarantine, loadRegistry } from '@meterhouse/postgres';
import { waitFor } from '@meterhouse/runtime';
import { readSnapshots } from '@meterhouse/quota/reader';
import type { SnapshotReading } from '@meterhouse/quota';
import type { JobTools } from './demo-job.ts';
import type { ImportedSpan } from './import-job.ts';
import { requireDone } from './meterhouse-command.ts';
import { hourlyTableLines } from './result/hourly-table.ts';
import { quarantineLine, snapshotLine } from './result/one-liners.ts';
import { readUsageResult, TooMuchToShow, type UsageResult } from './result/read-usage.ts';
import { parseReconciliation, reconciliationLines, type Reconciliation } from './result/reconciliation.ts';
import { rollUp, usageTableLines, type TenantUsage } from './result/usage-table.ts';
import { connectLines } from './result/where-to-connect.ts';
import { apiKeyPath } from './system/api-key.ts';
import type { Screen } from './screen/screen.ts';
import { formatInstant } from './screen/words.ts';

const SNAPSHOT_DEADLINE_MS = 30_000;

/**
 * @param imported the hours to show one by one, of an import
 * @returns whether the reconciliation found no difference
 */
export async function showResults(imported: ImportedSpan | null, tools: JobTools): Promise<boolean> {
  const { screen, system } = tools;
  const [reconciliation, usage] = await Promise.all([
    reconcile(tools),
    readUsageResult(system.reader, TOPICS.usageEvents, 'total').catch(explainTooMuch(screen)),
  ]);
  const tree = usage === null ? [] : rollUp(usage.tenants, usage.rows);
  if (usage !== null) showUsage(usage, tree, screen);
  if (imported !== null) await showHours(imported, tools);
  section(screen, 'Quarantine', [quarantineLine(await countQuarantine(system.reader, {}), screen.paint)]);
  section(screen, 'Reconciliation', reconciliationLines(reconciliation, screen.paint));
  if (usage !== null) await showSnapshot(usage, tree, tools);
  return reconciliation.verdict !== 'different';
}

/** For whoever stays: the lines work as printed. */
export async function showPlaces({ system, screen }: JobTools): Promise<void> {
  const { tenants } = await loadRegistry(system.reader);
  const tenant = [...tenants.values()].find(({ parent }) => parent === null)?.id ?? null;
  const { clickhouse, postgres, api, metrics } = system.endpoints;
  const dir = relative(process.cwd(), system.dataDir);
  const dataDirOption =
    dir === '.meterhouse' ? '' : ` --data-dir ${dir.startsWith('..') ? system.dataDir : dir}`;
  const places = {
    clickhouse,
    postgres,
    api:
      api === undefined
        ? null
        : { url: api, keyPath: apiKeyPath(dir.startsWith('..') ? system.dataDir : dir) },
    metrics: metrics?.['aggregator'] ?? null,
    dataDirOption,
    tenant,
  };
  const lines = connectLines(places, screen.paint);
  section(screen, 'Connect', lines);
}

function showUsage(usage: UsageResult, tree: readonly TenantUsage[], screen: Screen): void {
  const asOf = usage.asOf === null ? 'not complete yet' : `complete as of ${formatInstant(usage.asOf)}`;
  section(
    screen,
    `Usage ${screen.paint.dim(`each tenant with all below it, ${asOf}`)}`,
    usageTableLines(tree, usage.metrics, screen.columns - 2, screen.paint),
  );
}

async function showHours(span: ImportedSpan, { system, screen }: JobTools): Promise<void> {
  const usage = await readUsageResult(system.reader, TOPICS.usageEvents, 'hour', span).catch(
    explainTooMuch(screen),
  );
  if (usage !== null)
    section(screen, 'All tenants by hour', hourlyTableLines(usage.rows, usage.metrics, screen.paint));
}

async function reconcile({ meterhouse }: JobTools): Promise<Reconciliation> {
  const result = await meterhouse(['reconcile']);
  // Exit code 1 with a result: it has found differences, and says which.
  return parseReconciliation(result.json ?? requireDone('the reconciliation', result));
}

/** Asks as an enforcement point would: from memory, filled by the snapshot topic. */
async function showSnapshot(
  usage: UsageResult,
  tree: readonly TenantUsage[],
  { system, screen }: JobTools,
): Promise<void> {
  const asked = questionOf(usage, tree);
  if (asked === null) return;
  const logger = pino({ level: 'silent' });
  const reader = readSnapshots({
    kafka: system.kafka,
    registry: createRegistry(system.endpoints.schemaRegistry),
    topic: TOPICS.usageSnapshots,
    logger,
  });
  let reading: SnapshotReading;
  try {
    await reader.ready({ deadlineMs: SNAPSHOT_DEADLINE_MS });
    // A second at most: how old an answer is can only be told once something was heard live.
    await waitFor('a live snapshot', () => (Number.isFinite(reader.status().ageMs) ? true : undefined), {
      deadlineMs: SNAPSHOT_DEADLINE_MS,
    });
    reading = reader.get(asked.tenantId, asked.metric, 'month');
  } finally {
    await reader.close();
  }
  section(screen, 'Snapshot', [snapshotLine(asked, reading, screen.paint)]);
}

function questionOf(
  usage: UsageResult,
  tree: readonly TenantUsage[],
): { tenantId: string; tenantName: string; metric: string; unit: string } | null {
  const root = tree.find(({ totals }) => totals.size > 0);
  const metric = usage.metrics.find(({ name }) => root?.totals.has(name) === true);
  if (root === undefined || metric === undefined) return null;
  return { tenantId: root.tenant.id, tenantName: root.tenant.name, metric: metric.name, unit: metric.unit };
}

function explainTooMuch(screen: Screen): (error: unknown) => null {
  return (error) => {
    if (!(error instanceof TooMuchToShow)) throw error;
    screen.say(`  ${error.message}, too much to show here: npx meterhouse usage show`);
    return null;
  };
}

export function section(screen: Screen, title: string, lines: readonly string[]): void {
  screen.say();
  screen.say(screen.paint.bold(title));
  for (const line of lines) screen.say(`  ${line}`);
}
