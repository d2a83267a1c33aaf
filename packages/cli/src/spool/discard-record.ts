/**
 * What was discarded from a spool, one JSON object a line: the whole event, so that it can be recorded after
 * all, why it had been refused, and who decided and why. A line is on the disk before its event is forgotten.
 */
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import type { FoundAside } from './selection.ts';

export interface Decision {
  readonly by: string;
  readonly because: string;
  /** Epoch ms. */
  readonly atMs: number;
}

export class DiscardRecord {
  readonly #file: number;
  readonly #decision: Decision;

  /** Goes on at the file's end. @throws Error where it cannot be written */
  constructor(path: string, decision: Decision) {
    // It says who does what, as a spool does.
    this.#file = openSync(path, 'a', 0o600);
    this.#decision = decision;
  }

  add({ file, reason, field, detail, atMs, event, text }: FoundAside): void {
    const line = {
      discardedAt: new Date(this.#decision.atMs).toISOString(),
      by: this.#decision.by,
      because: this.#decision.because,
      file,
      refused: { reason, field, detail },
      takenAt: new Date(atMs).toISOString(),
      ...(event === null ? { text } : { event }),
    };
    writeAll(this.#file, `${JSON.stringify(line)}\n`);
  }

  /** Returns when it is on the disk. */
  close(): void {
    fsyncSync(this.#file);
    closeSync(this.#file);
  }
}

function writeAll(file: number, text: string): void {
  const bytes = Buffer.from(text);
  let written = 0;
  while (written < bytes.length) written += writeSync(file, bytes, written);
}
