import type { Command } from 'commander';
import { migrateClickHouse } from '@meterhouse/clickhouse';
import { createPool, migratePostgres, mirrorRebuildSource } from '@meterhouse/postgres';
import type { Run } from '../context.ts';
import { explainUnreachable } from '../connect/stores.ts';
import type { Palette } from '../output/palette.ts';

export function addMigrate(program: Command, run: Run): void {
  program
    .command('migrate')
    .description('Brings the schemas of Postgres and ClickHouse up to this release.')
    .option('--postgres-only', 'leave ClickHouse to the mirror, which migrates it itself')
    .action((options: { postgresOnly?: boolean }) =>
      run(async ({ out, stores, signal }) => {
        const url = stores.urlOf('postgres');
        const postgres = await explainUnreachable('postgres', url, () => migratePostgres(url));
        let clickhouse: readonly string[] | null = null;
        if (options.postgresOnly !== true) {
          const target = await stores.clickhouse();
          // Mirror, rebuild and this command change ClickHouse's tables one at a time.
          const pool = createPool({ url, applicationName: 'meterhouse-migrate', max: 1 });
          try {
            clickhouse = await mirrorRebuildSource(pool).migrating(
              () => migrateClickHouse(target, { signal }),
              signal,
            );
          } finally {
            await pool.end();
          }
        }
        out.result({ postgres, clickhouse }, (palette) =>
          [
            describe('Postgres', postgres, palette),
            clickhouse === null ? '' : describe('ClickHouse', clickhouse, palette),
          ].join(''),
        );
        return 0;
      }),
    );
}

function describe(store: string, ran: readonly string[], palette: Palette): string {
  if (ran.length === 0) return `${store}: ${palette.good('up to date')}, nothing to do\n`;
  return `${store}: ran ${ran.join(', ')}\n`;
}
