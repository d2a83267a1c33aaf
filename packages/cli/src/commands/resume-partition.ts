import type { Command } from 'commander';
import { fetchLogRange } from '@meterhouse/kafka';
import { readCountingProgress, resumePartition } from '@meterhouse/postgres';
import { bigNumber, filled, textOf, wholeNumber } from '../arguments.ts';
import { MAX_BY } from '../author.ts';
import type { Run } from '../context.ts';
import { CommandError } from '../exit.ts';
import { requireTopic } from '../import/counted-wait.ts';
import { withThousands } from '../output/numbers.ts';
import { describeSkip } from '../lag/skip.ts';

interface ResumeOptions {
  readonly partition: number;
  readonly source?: string;
  readonly from: bigint;
  readonly because: string;
  readonly by: string;
}

export function addResumePartition(program: Command, run: Run): void {
  program
    .command('resume-partition')
    .description(
      'Lets a halted partition go on from another offset. What lies between is lost, and that is written down.',
    )
    .requiredOption('--partition <n>', 'as "meterhouse lag" shows it', wholeNumber(0, 1_000_000))
    .requiredOption('--from <offset>', 'the next offset to count', bigNumber)
    .requiredOption('--because <text>', 'why the loss is accepted', filled)
    .requiredOption('--by <name>', 'who accepts it', textOf(MAX_BY))
    .option('--source <topic>', 'default: the topic of usage events')
    .action((options: ResumeOptions) =>
      run(async ({ out, stores }) => {
        const source = options.source ?? stores.names.usageEventsTopic;
        const pool = await stores.postgres('meterhouse_operator');
        const progress = (await readCountingProgress(pool)).find(
          (one) => one.source === source && one.partition === options.partition,
        );
        if (progress === undefined)
          throw new CommandError(`${source} has no partition ${options.partition}`, 'see "meterhouse lag"');
        const admin = await stores.kafkaAdmin();
        await requireTopic(admin, source);
        const range = (await fetchLogRange(admin, source)).get(options.partition);
        if (range === undefined || options.from < range.low || options.from > range.high)
          throw new CommandError(
            `offset ${options.from} is not in the log, which holds ${range?.low ?? '?'} to ${range?.high ?? '?'}`,
            'it would halt again at once',
          );
        const halted = await resumePartition(pool, {
          source,
          partition: options.partition,
          toOffset: options.from,
          because: options.because,
          by: options.by,
        });
        if (halted === null)
          throw new CommandError(
            `partition ${options.partition} is not halted: its next offset stays ${withThousands(progress.nextOffset)}`,
            'only a halted partition can be moved',
          );
        out.result(
          {
            source,
            partition: options.partition,
            fromOffset: halted.fromOffset.toString(),
            toOffset: options.from.toString(),
            haltedReason: halted.haltedReason,
            because: options.because,
            by: options.by,
          },
          (palette) =>
            `partition ${options.partition} goes on from ${withThousands(options.from)}\n${palette.warn(describeSkip(halted.fromOffset, options.from))}\nwas halted: ${halted.haltedReason}\n`,
        );
        return 0;
      }),
    );
}
