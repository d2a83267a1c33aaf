import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { rebuildClickHouse, type RebuildProgress } from '@meterhouse/clickhouse';
import { inTransaction, mirrorRebuildSource } from '@meterhouse/postgres';
import { appendAudit } from '@meterhouse/postgres/access';
import { thisUser } from '../author.ts';
import type { Run } from '../context.ts';
import { formatLength } from '../output/instants.ts';
import { counted, withThousands } from '../output/numbers.ts';
import { createReporter } from '../output/reporter.ts';

export function addRebuild(program: Command, run: Run): void {
  const rebuild = program.command('rebuild').description('Makes a copy again from Postgres.');
  rebuild
    .command('clickhouse')
    .description(
      'Makes the ClickHouse mirror again while counting goes on; readers see the old one until it is done.',
    )
    .action(() =>
      run(async ({ out, stores, now, signal }) => {
        const operator = await stores.postgres('meterhouse_operator');
        const clickhouse = await stores.clickhouse();
        // Before it: a rebuild that dies half-way has to show too.
        await inTransaction(operator, (client) =>
          appendAudit(client, {
            actor: thisUser(),
            action: 'mirror.rebuild',
            tenantId: null,
            outcome: 'done',
            details: { state: 'begun' },
          }),
        );
        const startedAt = performance.now();
        const report = createReporter(out);
        const done = await rebuildClickHouse({
          clickhouse,
          source: mirrorRebuildSource(operator),
          unique: randomUUID(),
          now,
          signal,
          onProgress: (progress) => report(describe(progress)),
        }).finally(() => report.end());
        const tookMs = performance.now() - startedAt;
        out.result(
          { buckets: done.buckets, changes: done.changes, tookMs: Math.round(tookMs) },
          (palette) =>
            `${palette.good('ClickHouse is made again')}: ${counted(done.buckets, 'bucket')} and ${counted(done.changes, 'change')} that came meanwhile, in ${formatLength(tookMs)}\n`,
        );
        return 0;
      }),
    );
}

function describe(progress: RebuildProgress): string {
  switch (progress.phase) {
    case 'waiting':
      return 'waiting for its turn';
    case 'filling':
      return `filling: ${withThousands(progress.buckets)} buckets`;
    case 'following':
      return `following what was counted meanwhile: ${withThousands(progress.changes)} changes`;
    case 'exchanging':
      return 'putting it in the place of the old one';
    case 'done':
      return 'done';
  }
}
