/** Where the main job writes: lines that stay, and on a terminal a block below them that is drawn anew. */
import { stripVTControlCharacters } from 'node:util';
import { widthOf } from './table.ts';
import { paletteFor, type Palette } from './palette.ts';

export interface Screen {
  readonly paint: Palette;
  /** Whether a person sees the live block; elsewhere drawing it does nothing. */
  readonly isLive: boolean;
  /** Columns; plenty where the lines go to no terminal. */
  readonly columns: number;
  say(line?: string): void;
  /** Replaces the live block. */
  draw(lines: readonly string[]): void;
}

/** @param terminal what TERM says */
export function openScreen(stream: NodeJS.WriteStream, terminal: string | undefined): Screen {
  const isLive = stream.isTTY && terminal !== 'dumb';
  let drawn: readonly string[] = [];

  const erase = (): void => {
    if (drawn.length > 0) stream.write(`\u001b[${drawn.length}A\u001b[0J`);
  };
  const put = (lines: readonly string[]): void => {
    drawn = lines;
    if (lines.length > 0) stream.write(`${lines.join('\n')}\n`);
  };
  const columns = (): number => (isLive ? stream.columns : 200);

  return {
    paint: paletteFor(stream),
    isLive,
    get columns() {
      return columns();
    },
    say: (line = '') => {
      erase();
      stream.write(`${line}\n`);
      put(drawn);
    },
    draw: (lines) => {
      if (!isLive) return;
      erase();
      // A line that wraps would take two rows, and the next drawing would erase one too few.
      put(lines.map((line) => (widthOf(line) < columns() ? line : cut(line, columns() - 1))));
    },
  };
}

/** Cut lines lose their colour: where a colour ends is not worth knowing here. */
function cut(line: string, width: number): string {
  return stripVTControlCharacters(line).slice(0, width);
}
