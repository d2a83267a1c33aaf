/** What `import` says at its end. */
import { DAY_MS, DEFAULT_WINDOW, formatDecimal } from '@meterhouse/usage';
import { formatInstant, formatLength } from '../output/instants.ts';
import { counted, withThousands } from '../output/numbers.ts';
import type { Json } from '../output/output.ts';
import type { Palette } from '../output/palette.ts';
import { renderTable } from '../output/table.ts';
import type { FileImport } from './import-file.ts';
import type { RefusedRows } from './refused-rows.ts';

/** What was found when everything had been counted. */
export interface Waited {
  /** Events of the stretch of the log that this import wrote to, which wait in quarantine. */
  readonly quarantined: bigint;
}

export interface ImportResult {
  readonly files: readonly FileImport[];
  readonly refused: RefusedRows;
  readonly waited: Waited | null;
  readonly tookMs: number;
}

export function importJson({ files, refused, waited, tookMs }: ImportResult): Json {
  return {
    files: files.map((file) => ({
      file: file.file,
      source: file.source,
      rows: file.rows,
      refusedRows: file.refusedRows,
      events: file.events,
      acknowledged: file.acknowledged,
      notAcknowledged: file.notAcknowledged,
      repeated: file.totals.repeated,
      from: isoOrNull(file.totals.earliest),
      to: isoOrNull(file.totals.latest),
      metrics: Object.fromEntries(
        [...file.totals.byMetric].map(([metric, { events, sum }]) => [
          metric,
          { events: events.toString(), sum: formatDecimal(sum) },
        ]),
      ),
    })),
    refusedRows: refused.count,
    refused: refused.listed.map(({ file, line, field, reason }) => ({ file, line, field, reason })),
    counted: waited === null ? null : { quarantined: waited.quarantined.toString() },
    tookMs: Math.round(tookMs),
  };
}

function isoOrNull(ts: number | null): string | null {
  return ts === null ? null : new Date(ts).toISOString();
}

export function renderImport(result: ImportResult, palette: Palette): string {
  const { files, refused, waited, tookMs } = result;
  const table = renderTable(
    [
      { title: 'file' },
      { title: 'metric' },
      { title: 'events', align: 'right' },
      { title: 'sum', align: 'right' },
      { title: 'from' },
      { title: 'to' },
    ],
    files.flatMap((file) =>
      [...file.totals.byMetric].map(([metric, { events, sum }]) => [
        file.file,
        metric,
        withThousands(events),
        withThousands(formatDecimal(sum)),
        file.totals.earliest === null ? '' : formatInstant(file.totals.earliest),
        file.totals.latest === null ? '' : formatInstant(file.totals.latest),
      ]),
    ),
    palette,
  );
  const total = (of: (file: FileImport) => number): number => files.reduce((sum, file) => sum + of(file), 0);
  const acknowledged = total((file) => file.acknowledged);
  const perSecond = Math.round(acknowledged / Math.max(tookMs / 1000, 0.001));
  const lines = [
    `${counted(
      total((file) => file.rows),
      'row',
    )}, ${counted(acknowledged, 'event')} acknowledged by the broker in ${formatLength(tookMs)} (${withThousands(perSecond)}/s)`,
  ];
  const repeated = total((file) => file.totals.repeated);
  if (repeated > 0)
    lines.push(`${counted(repeated, 'event')} stood in the file more than once and count once`);
  const lost = total((file) => file.notAcknowledged);
  if (lost > 0)
    lines.push(
      palette.bad(
        `${counted(lost, 'event')} not acknowledged: import again, what was sent will not count twice`,
      ),
    );
  if (waited !== null)
    lines.push(
      waited.quarantined === 0n
        ? palette.good('all counted')
        : palette.warn(
            `all counted, but for ${withThousands(waited.quarantined)} now in quarantine: see "meterhouse quarantine list"`,
          ),
    );
  return `${table}${lines.join('\n')}\n${renderRefused(refused, palette)}`;
}

function renderRefused(refused: RefusedRows, palette: Palette): string {
  if (refused.count === 0) return '';
  const rows = renderTable(
    [{ title: 'file' }, { title: 'line', align: 'right' }, { title: 'field' }, { title: 'reason' }],
    refused.listed.map((row) => [row.file, withThousands(row.line), row.field ?? '', row.reason]),
    palette,
  );
  const more = refused.count - refused.listed.length;
  const rest = more > 0 ? `and ${counted(more, 'more', 'more')}: --errors FILE writes them all\n` : '';
  return `${palette.bad(`${counted(refused.count, 'row')} refused`)}\n${rows}${rest}`;
}

/** Said before anybody waits for numbers that will not come: the aggregator takes only a window of event times. */
export function windowWarning(files: readonly FileImport[], now: number): string | null {
  const times = files.flatMap(({ totals }) => [totals.earliest, totals.latest]).filter((ts) => ts !== null);
  if (times.length === 0) return null;
  const earliest = Math.min(...times);
  const latest = Math.max(...times);
  const early = now - earliest > DEFAULT_WINDOW.backMs;
  const late = latest - now > DEFAULT_WINDOW.aheadMs;
  if (!early && !late) return null;
  const days = Math.floor((now - latest) / DAY_MS);
  const shift =
    days !== 0
      ? `; --shift-days ${days} more would bring the last event to ${formatInstant(latest + days * DAY_MS)}`
      : '';
  return `events from ${formatInstant(earliest)} to ${formatInstant(latest)}: outside the aggregator's default window (${DEFAULT_WINDOW.backMs / DAY_MS} days back, 1 hour ahead) they go to quarantine${shift}`;
}
