/** The few colours that mean something here. */
import { styleText } from 'node:util';

type Paint = (text: string) => string;

export interface Palette {
  readonly good: Paint;
  readonly bad: Paint;
  readonly warn: Paint;
  readonly dim: Paint;
  readonly bold: Paint;
}

/** Colour only where a person looks, and never where NO_COLOR asks for none (https://no-color.org). */
export function paletteFor(stream: NodeJS.WriteStream): Palette {
  // validateStream: Node itself asks the stream, NO_COLOR and TERM.
  const paint =
    (style: Parameters<typeof styleText>[0]): Paint =>
    (text) =>
      styleText(style, text, { stream });
  return {
    good: paint('green'),
    bad: paint('red'),
    warn: paint('yellow'),
    dim: paint('dim'),
    bold: paint('bold'),
  };
}

const same: Paint = (text) => text;
export const PLAIN: Palette = { good: same, bad: same, warn: same, dim: same, bold: same };
