/** What `spool` prints. */
import { formatInstant, formatLength } from '../output/instants.ts';
import { counted, withThousands } from '../output/numbers.ts';
import type { Json } from '../output/output.ts';
import type { Palette } from '../output/palette.ts';
import { printable } from '../output/printable.ts';
import { renderTable } from '../output/table.ts';
import type { SpoolFileReport } from './folder.ts';
import { placeOf, textAt, type FoundAside } from './selection.ts';

export function fileJson({ file, contents, problem }: SpoolFileReport, nowMs: number): Json {
  return {
    file,
    held: contents?.isHeld ?? null,
    waiting: contents?.waiting ?? null,
    sizeBytes: contents?.sizeBytes ?? null,
    oldestAt: contents === null ? null : instantOrNull(contents.oldestAtMs),
    oldestAgeMs: ageOf(contents?.oldestAtMs ?? null, nowMs),
    setAside: contents?.setAside ?? null,
    problem,
  };
}

export function asideJson(found: FoundAside): Json {
  return {
    place: placeOf(found),
    id: textAt(found, 'id'),
    tenantId: textAt(found, 'tenantId'),
    metric: textAt(found, 'metric'),
    value: textAt(found, 'value'),
    reason: found.reason,
    field: found.field,
    detail: found.detail,
    takenAt: new Date(found.atMs).toISOString(),
    sizeBytes: found.sizeBytes,
  };
}

export function renderFiles(reports: readonly SpoolFileReport[], nowMs: number, palette: Palette): string {
  const table = renderTable(
    [
      { title: 'file' },
      { title: 'process' },
      { title: 'waiting', align: 'right' },
      { title: 'bytes', align: 'right' },
      { title: 'oldest', align: 'right' },
      { title: 'set aside', align: 'right' },
    ],
    reports.map(({ file, contents }) =>
      contents === null
        ? [printable(file), palette.bad('cannot be read'), '', '', '', '']
        : [
            printable(file),
            processOf(contents, palette),
            withThousands(contents.waiting),
            withThousands(contents.sizeBytes),
            contents.oldestAtMs === null ? '' : formatLength(ageOf(contents.oldestAtMs, nowMs) ?? 0),
            contents.setAside === 0 ? '0' : palette.warn(withThousands(contents.setAside)),
          ],
    ),
    palette,
  );
  const problems = reports.flatMap(({ problem }) => (problem === null ? [] : [`${printable(problem)}\n`]));
  return table + problems.join('');
}

/** With events in it and nobody there, a file waits for the next process. */
function processOf({ isHeld, waiting }: NonNullable<SpoolFileReport['contents']>, palette: Palette): string {
  if (isHeld) return palette.good('running');
  return waiting > 0 ? palette.warn('none') : palette.dim('none');
}

export function renderAside(found: readonly FoundAside[], total: number, palette: Palette): string {
  if (total === 0) return '';
  const table = renderTable(
    [
      { title: 'id' },
      { title: 'reason' },
      { title: 'field' },
      { title: 'tenant' },
      { title: 'metric' },
      { title: 'taken at' },
      { title: 'what' },
    ],
    found.map((one) => [
      short(textAt(one, 'id') ?? placeOf(one), 40),
      one.reason,
      one.field ?? '',
      short(textAt(one, 'tenantId') ?? '', 24),
      short(textAt(one, 'metric') ?? '', 24),
      formatInstant(one.atMs),
      short(one.detail ?? '', 80),
    ]),
    palette,
  );
  const more = total - found.length;
  const rest = more > 0 ? palette.dim(`and ${withThousands(more)} more: --limit N, or --json\n`) : '';
  return `\n${palette.bold(`Set aside: ${counted(total, 'event')}`)}\n${table}${rest}`;
}

function short(text: string, maxLength: number): string {
  const line = printable(text);
  return line.length <= maxLength ? line : `${line.slice(0, maxLength - 1)}…`;
}

function instantOrNull(atMs: number | null): string | null {
  return atMs === null ? null : new Date(atMs).toISOString();
}

function ageOf(atMs: number | null, nowMs: number): number | null {
  return atMs === null ? null : Math.max(0, nowMs - atMs);
}
