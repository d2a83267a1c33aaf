import type { Command } from 'commander';
import { fetchLogRange } from '@meterhouse/kafka';
import { countQuarantine, inTransaction, readCountingProgress, readTailerLag } from '@meterhouse/postgres';
import type { Context, Run } from '../context.ts';
import { explain } from '../explain.ts';
import { requireTopic } from '../import/counted-wait.ts';
import { lagReport, type LogRange } from '../lag/lag-report.ts';
import { lagJson, renderLag } from '../lag/lag-text.ts';
import { watching, withWatching, type WatchOptions } from '../output/watching.ts';

export function addLag(program: Command, run: Run): void {
  withWatching(
    program
      .command('lag')
      .description(
        'How far counting, the ClickHouse mirror and the snapshots are, and what waits in quarantine.',
      ),
  ).action((options: WatchOptions) =>
    run(async (context) => {
      await watching(options, context.signal, (again) => showLag(context, again));
      return 0;
    }),
  );
}

async function showLag({ out, stores, now }: Context, again: boolean): Promise<void> {
  const pool = await stores.postgres('meterhouse_reader');
  const topic = stores.names.usageEventsTopic;
  const kafka = await logRanges(stores, topic);
  const facts = await inTransaction(
    pool,
    async (client) => ({
      progress: await readCountingProgress(client),
      tailers: await readTailerLag(client),
      quarantine: await countQuarantine(client, { statuses: ['waiting', 'replay_requested'] }),
    }),
    'repeatable read',
  );
  const report = lagReport({ ...facts, topic, ranges: kafka.ranges, now: now() });
  if (again) out.clear();
  out.result(lagJson(report, kafka.error), (palette) => renderLag(report, kafka.error, palette));
}

/** Postgres' side is worth showing also when Kafka is away: then above all. */
async function logRanges(
  stores: Context['stores'],
  topic: string,
): Promise<{ ranges: ReadonlyMap<number, LogRange> | null; error: string | null }> {
  try {
    const admin = await stores.kafkaAdmin();
    await requireTopic(admin, topic);
    return { ranges: await fetchLogRange(admin, topic), error: null };
  } catch (error) {
    return { ranges: null, error: explain(error) };
  }
}
