/** Aligned columns without frames. Pure; paint what stands in a cell after its width is known. */
import { stripVTControlCharacters } from 'node:util';

export interface Column {
  readonly title: string;
  readonly align: 'left' | 'right';
}

const GAP = '  ';

/** The title line first. Cells may carry colour. */
export function tableLines(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const lines = [columns.map((column) => column.title), ...rows];
  const widths = columns.map((_, at) => Math.max(...lines.map((line) => widthOf(line[at] ?? ''))));
  return lines.map((line) =>
    columns
      .map((column, at) => padded(line[at] ?? '', widths[at] ?? 0, column.align))
      .join(GAP)
      .trimEnd(),
  );
}

/** Columns of text on a screen, colour left out. */
export function widthOf(text: string): number {
  return stripVTControlCharacters(text).length;
}

function padded(text: string, width: number, align: 'left' | 'right'): string {
  const space = ' '.repeat(Math.max(0, width - widthOf(text)));
  return align === 'left' ? text + space : space + text;
}
