import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { fetchLogEnds, registerEventSchema } from '@meterhouse/kafka';
import { createMeter } from '@meterhouse/producer';
import {
  countQuarantinedBetween,
  inTransaction,
  saveProducerReport,
  type LogEnds,
} from '@meterhouse/postgres';
import { appendAudit } from '@meterhouse/postgres/access';
import { asText, oneOf, repeated, wholeNumber } from '../arguments.ts';
import { thisUser } from '../author.ts';
import type { Context, Run } from '../context.ts';
import { requireTopic, waitUntilCounted } from '../import/counted-wait.ts';
import { fingerprint, importFile, type FileImport, type ImportPorts } from '../import/import-file.ts';
import { importJson, renderImport, windowWarning, type Waited } from '../import/import-text.ts';
import { parseMappingFile, withOptions, type Mapping, type MappingOptions } from '../import/mapping.ts';
import { RefusedRows } from '../import/refused-rows.ts';
import { parseLength } from '../output/instants.ts';
import { withThousands } from '../output/numbers.ts';
import { startProgress } from '../output/progress.ts';

interface ImportOptions extends MappingOptions {
  readonly mapping?: string;
  readonly shiftDays: number;
  readonly errors?: string;
  readonly allowBad?: boolean;
  readonly wait?: boolean;
  readonly waitTimeout: string;
  readonly maxRows: number;
}

const MAX_SHIFT_DAYS = 100_000;
/** Of 20 bytes each: what one table of them can address. */
const MAX_ROWS = 400_000_000;
/** Some sends ahead: enough to keep the broker busy, little enough for a small machine. */
const METER_BOUNDS = { bufferEvents: 10_000, bufferBytes: 16 * 1024 * 1024 };

const HELP = `
Formats
  JSON lines: one event a line with its own fields (id, tenantId, metric, value, ts, unit, attrs,
  correlationId, attribution). CSV: a header; a column named like a field fills it without --map.

Counting once
  A row that carries no id gets one made of its content, of which one of its like in the file it is,
  the metric and --shift-days. So the same file imported again counts once, whatever it is called;
  two identical rows in one file are two events; with another --shift-days they are other events.

Examples
  meterhouse import events.jsonl --wait
  meterhouse import trace.csv --map ts=TIMESTAMP --metric llm.input_tokens=ContextTokens \\
    --metric llm.output_tokens=GeneratedTokens --tenant-from hash:12 --shift-days 1100 --wait`;

export function addImport(program: Command, run: Run): void {
  program
    .command('import')
    .description(
      'Sends the events of files through the producer. Returns when the broker has acknowledged all.',
    )
    .argument('<file...>', 'JSON lines or CSV')
    .option('--format <csv|jsonl>', 'where the ending does not say it', oneOf(['csv', 'jsonl']))
    .option('--map <field=column>', 'the column that fills a field; may be repeated', repeated(asText))
    .option('--set <field=value>', 'the same value for all rows; may be repeated', repeated(asText))
    .option(
      '--metric <name=column>',
      'an event of this metric from every row; may be repeated',
      repeated(asText),
    )
    .option('--attr <key=column>', 'an attribute from a column; may be repeated', repeated(asText))
    .option('--tenant-from <hash:N[:prefix]>', 'choose the tenant among N by the hash of the row')
    .option(
      '--mapping <file.yaml>',
      'all of these in a file: format, map, set, metrics, attrs, tenantFrom, timeZone, delimiter',
    )
    .option('--delimiter <character>', 'between columns (default: ,)')
    .option('--time-zone <zone>', 'of times that carry none: UTC, +02:00, Europe/Paris (default: UTC)')
    .option(
      '--shift-days <n>',
      'move every time by whole days',
      wholeNumber(-MAX_SHIFT_DAYS, MAX_SHIFT_DAYS),
      0,
    )
    .option('--errors <file>', 'write all refused rows there, one JSON object a line')
    .option('--allow-bad', 'exit 0 also when rows were refused')
    .option('--wait', 'return when all is counted')
    .option('--wait-timeout <length>', 'give up waiting after', '10m')
    .option(
      '--max-rows <n>',
      'rows to tell apart, 20 bytes of memory each',
      wholeNumber(1, MAX_ROWS),
      20_000_000,
    )
    .addHelpText('after', HELP)
    .action((files: string[], options: ImportOptions) =>
      run((context) => importFiles(files, options, context)),
    );
}

async function importFiles(
  files: readonly string[],
  options: ImportOptions,
  context: Context,
): Promise<0 | 1> {
  const { out, stores, signal } = context;
  const waitMs = parseLength('--wait-timeout', options.waitTimeout);
  const mapping = withOptions(await mappingFile(options.mapping), options);
  const fingerprints = new Map<string, { sha256: string; bytes: number }>();
  for (const file of files) fingerprints.set(file, await fingerprint(file));
  const startedAt = performance.now();
  const pool = await stores.postgres('meterhouse_operator');
  const topic = stores.names.usageEventsTopic;
  const admin = await stores.kafkaAdmin();
  await requireTopic(admin, topic);
  const before = await fetchLogEnds(admin, topic);
  // Now, rather than by a producer that keeps trying for a minute.
  await registerEventSchema(stores.schemaRegistry(), topic, AbortSignal.timeout(10_000));
  const meter = createMeter({
    kafka: { ...stores.kafkaAccess(), schemaRegistryUrl: stores.urlOf('schemaRegistry'), topic },
    source: 'import',
    logger: stores.logger,
    bounds: METER_BOUNDS,
  });
  const refused = new RefusedRows(options.errors ?? null);
  const done: FileImport[] = [];
  try {
    for (const [file, { sha256, bytes }] of fingerprints) {
      const bar = startProgress(out.progressSink, file, bytes);
      const onProgress: ImportPorts['onProgress'] = (at) => {
        bar.update(at.bytes, `${withThousands(at.acknowledged)} acknowledged`);
      };
      const job = { file, mapping, shiftDays: options.shiftDays, maxRows: options.maxRows };
      try {
        const result = await importFile(job, sha256, { meter, refused, signal, onProgress });
        await inTransaction(pool, async (client) => {
          if (result.notAcknowledged === 0)
            await saveProducerReport(client, result.source, result.totals.byMetric);
          await appendAudit(client, {
            actor: thisUser(),
            action: 'usage.import',
            tenantId: null,
            target: result.source,
            outcome: result.notAcknowledged === 0 ? 'done' : 'failed',
          });
        });
        done.push(result);
      } finally {
        bar.stop();
      }
    }
  } finally {
    await meter.close();
    await refused.close();
  }
  const tookMs = performance.now() - startedAt;
  const warning = windowWarning(done, context.now());
  if (warning !== null) out.note(warning);
  const complete = done.every((file) => file.notAcknowledged === 0);
  const waited = options.wait === true && complete ? await waitFor(context, before, waitMs) : null;
  const result = { files: done, refused, waited, tookMs };
  out.result(importJson(result), (palette) => renderImport(result, palette));
  return complete && (refused.count === 0 || options.allowBad === true) ? 0 : 1;
}

async function waitFor(
  { stores, signal, out }: Context,
  before: LogEnds,
  deadlineMs: number,
): Promise<Waited> {
  const topic = stores.names.usageEventsTopic;
  const pool = await stores.postgres('meterhouse_operator');
  const ends = await fetchLogEnds(await stores.kafkaAdmin(), topic);
  let most = 0n;
  let bar = startProgress(null, '', 0);
  try {
    await waitUntilCounted({
      pool,
      topic,
      ends,
      deadlineMs,
      signal,
      onBehind: (behind) => {
        if (behind > most) {
          bar.stop();
          most = behind;
          bar = startProgress(out.progressSink, 'counting', Number(most));
        }
        bar.update(Number(most - behind), `${withThousands(behind)} to go`);
      },
    });
  } finally {
    bar.stop();
  }
  return { quarantined: await countQuarantinedBetween(pool, topic, before, ends) };
}

async function mappingFile(path: string | undefined): Promise<Mapping | null> {
  return path === undefined ? null : parseMappingFile(path, await readFile(path, 'utf8'));
}
