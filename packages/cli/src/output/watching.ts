/** `--watch`: a look that is taken again and again, until Ctrl-C. */
import type { Command } from 'commander';
import { isAborted, pause } from '@meterhouse/runtime';
import { parseLength } from './instants.ts';

export interface WatchOptions {
  readonly watch?: boolean;
  readonly every: string;
}

export function withWatching(command: Command): Command {
  return command
    .option('--watch', 'again and again, until Ctrl-C')
    .option('--every <length>', 'with --watch', '2s');
}

/**
 * @param look is told whether it is the first
 * @returns what the last look returned
 */
export async function watching<T>(
  options: WatchOptions,
  signal: AbortSignal,
  look: (again: boolean) => Promise<T>,
): Promise<T> {
  const everyMs = parseLength('--every', options.every);
  let seen = await look(false);
  while (options.watch === true && !isAborted(signal)) {
    await pause(everyMs, signal);
    if (!isAborted(signal)) seen = await look(true);
  }
  return seen;
}
