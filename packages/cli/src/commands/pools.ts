import type { Command } from 'commander';
import { readPools } from '@meterhouse/postgres/capacity';
import { filled } from '../arguments.ts';
import { poolJson, renderPools } from '../capacity/reservation-text.ts';
import type { Run } from '../context.ts';
import { CommandError } from '../exit.ts';

export function addPools(program: Command, run: Run): void {
  program
    .command('pools')
    .description('What there is to be reserved: size, reserved, free. Sizes are set with "meterhouse apply".')
    .option('--pool <id>', 'only this one', filled)
    .action((options: { readonly pool?: string }) =>
      run(async ({ out, stores }) => {
        const pools = await readPools(await stores.postgres('meterhouse_reader'), options.pool ?? null);
        if (options.pool !== undefined && pools.length === 0)
          throw new CommandError(`there is no pool ${options.pool}`, 'see "meterhouse pools"');
        out.result({ pools: pools.map(poolJson) }, (palette) =>
          pools.length === 0 ? 'there are no pools yet\n' : renderPools(pools, palette),
        );
        return 0;
      }),
    );
}
