/** Where a command writes: one result on standard output, everything on the way on standard error. */
import type { Palette } from './palette.ts';
import { createPalette } from './palette.ts';

export interface TextSink {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

/** Any JSON; bigints are refused by the serializer, so decimals and counts are strings by then. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

export class Output {
  readonly palette: Palette;

  readonly #stdout: TextSink;
  readonly #stderr: TextSink;
  readonly #json: boolean;

  constructor(
    sinks: { stdout: TextSink; stderr: TextSink },
    env: Readonly<Record<string, string | undefined>>,
    json: boolean,
  ) {
    this.#stdout = sinks.stdout;
    this.#stderr = sinks.stderr;
    this.#json = json;
    this.palette = createPalette(sinks.stdout.isTTY === true, env);
  }

  /** The command's result: as JSON under --json, else as the text. Exactly one of the two is written. */
  result(json: Json, text: (palette: Palette) => string): void {
    this.#stdout.write(this.#json ? `${JSON.stringify(json)}\n` : text(this.palette));
  }

  /** A line about what is under way. Not part of the result: scripts that read stdout do not see it. */
  note(line: string): void {
    this.#stderr.write(`${line}\n`);
  }

  /** Where a progress bar may be drawn, or null where nobody would see it move. */
  get progressSink(): NodeJS.WritableStream | null {
    return this.#stderr === process.stderr && process.stderr.isTTY ? process.stderr : null;
  }

  /** Of the terminal; where there is none, lines may be as long as they are. */
  get columns(): number {
    return this.#stdout.isTTY === true ? (this.#stdout.columns ?? 80) : Number.MAX_SAFE_INTEGER;
  }

  /** Clears the screen before a repeated result, on a terminal only. */
  clear(): void {
    if (this.#stdout.isTTY === true && !this.#json) this.#stdout.write('\u001b[2J\u001b[H');
  }
}
