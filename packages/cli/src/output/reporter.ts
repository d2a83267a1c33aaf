import type { Output } from './output.ts';

export interface Reporter {
  (line: string): void;
  /** Leaves the terminal as it was. */
  end(): void;
}

/** What is being done: one line that is overwritten on a terminal, nothing elsewhere. */
export function createReporter(out: Output): Reporter {
  const sink = out.progressSink;
  const write = (text: string): void => {
    sink?.write(`\r\u001b[2K${text}`);
  };
  return Object.assign((line: string) => write(line), { end: () => write('') });
}
