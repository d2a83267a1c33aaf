/** Imports the user's own files by `meterhouse import`. */
import { z } from 'zod';
import { HOUR_MS, hourOf } from '@meterhouse/usage';
import type { JobTools } from './demo-job.ts';
import { MeterhouseCommandError } from './meterhouse-command.ts';
import { applyRegistry } from './registry-apply.ts';
import { counted, formatAge, withThousands } from './screen/words.ts';
import type { Job } from './options.ts';

const answer = z.object({
  files: z.array(
    z.object({
      file: z.string(),
      rows: z.number(),
      events: z.number(),
      acknowledged: z.number(),
      notAcknowledged: z.number(),
      from: z.iso.datetime().nullable(),
      to: z.iso.datetime().nullable(),
    }),
  ),
  refusedRows: z.number(),
  refused: z.array(z.object({ file: z.string(), line: z.number(), reason: z.string() })),
  counted: z.object({ quarantined: z.string() }).nullable(),
  tookMs: z.number(),
});

/** The hours that the imported events lie in, epoch ms; null when there were none. */
export interface ImportedSpan {
  readonly from: number;
  /** Not included. */
  readonly to: number;
}

export interface Imported {
  readonly span: ImportedSpan | null;
  /** Every row was taken. */
  readonly complete: boolean;
}

const PATIENCE_MS = 120_000;
const LISTED = 5;

export async function runImport(job: Extract<Job, { kind: 'import' }>, tools: JobTools): Promise<Imported> {
  const { screen, meterhouse, system } = tools;
  if (job.registry !== null) screen.say(`  ${await applyRegistry(meterhouse, job.registry)}`);
  screen.say();
  screen.say(screen.paint.bold(`Importing ${job.files.join(', ')}`));
  const result = await meterhouse(['import', ...job.files, ...job.importArgs, '--wait'], true);
  // Its own words are on the screen already. Rows that were refused are no reason to show nothing.
  if (result.json === null) throw new MeterhouseCommandError('the import failed');
  const done = answer.parse(result.json);
  await system.watch.waitThrough(Date.now(), PATIENCE_MS);
  const sum = (of: (file: (typeof done.files)[number]) => number): number =>
    done.files.reduce((total, file) => total + of(file), 0);
  screen.say(
    `  ${counted(
      sum((file) => file.rows),
      'row',
    )}: ${counted(
      sum((file) => file.acknowledged),
      'event',
    )} acknowledged and counted or quarantined in ${formatAge(done.tookMs)}`,
  );
  if (done.refusedRows > 0) {
    screen.say(`  ${screen.paint.warn(`${counted(done.refusedRows, 'row')} refused`)}`);
    for (const { file, line, reason } of done.refused.slice(0, LISTED))
      screen.say(`    ${file}:${withThousands(line)}  ${reason}`);
  }
  return { span: spanOf(done.files), complete: result.exitCode === 0 };
}

function spanOf(files: readonly { from: string | null; to: string | null }[]): ImportedSpan | null {
  const times = files
    .flatMap(({ from, to }) => [from, to])
    .flatMap((time) => (time === null ? [] : [Date.parse(time)]));
  if (times.length === 0) return null;
  return { from: hourOf(Math.min(...times)), to: hourOf(Math.max(...times)) + HOUR_MS };
}
