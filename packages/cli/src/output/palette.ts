import picocolors from 'picocolors';

type Paint = (text: string) => string;

/** The few colours that mean something here. */
export interface Palette {
  readonly good: Paint;
  readonly bad: Paint;
  readonly warn: Paint;
  readonly dim: Paint;
  readonly bold: Paint;
}

/** Colour only where a person looks, and never where NO_COLOR asks for none (https://no-color.org). */
export function createPalette(isTty: boolean, env: Readonly<Record<string, string | undefined>>): Palette {
  const colours = picocolors.createColors(isTty && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb');
  return {
    good: colours.green,
    bad: colours.red,
    warn: colours.yellow,
    dim: colours.dim,
    bold: colours.bold,
  };
}
