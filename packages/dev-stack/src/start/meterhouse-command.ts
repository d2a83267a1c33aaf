/** Runs the `meterhouse` command as a person would, and takes its result as JSON. */
import { spawn } from 'node:child_process';
import type { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const guardScript = fileURLToPath(new URL('../process/guard.sh', import.meta.url));
const commandScript = fileURLToPath(new URL('../../../cli/src/main.ts', import.meta.url));
const GRACE_SECONDS = 5;
/** What an error message can use of the command's own words. */
const MAX_WORDS = 2_000;

export interface CommandResult {
  readonly exitCode: number;
  /** What it printed on standard output; null when that was nothing. */
  readonly json: unknown;
  /** What it printed on standard error, where that was not shown. */
  readonly words: string;
}

export interface CommandCall {
  readonly dataDir: string;
  readonly args: readonly string[];
  readonly signal: AbortSignal;
  /** Lets its progress bar and notes through to the terminal. */
  readonly showProgress?: boolean;
}

export type RunMeterhouse = (args: readonly string[], showProgress?: boolean) => Promise<CommandResult>;

/** The command failed, and why in its own words. */
export class MeterhouseCommandError extends Error {
  override name = 'MeterhouseCommandError';
}

/** It dies with this process, however that ends (see guard.sh). */
export async function runMeterhouse(call: CommandCall): Promise<CommandResult> {
  const child = spawn(
    'sh',
    [
      guardScript,
      'TERM',
      String(GRACE_SECONDS),
      process.execPath,
      commandScript,
      '--data-dir',
      call.dataDir,
      '--json',
      ...call.args,
    ],
    { detached: true, stdio: ['ignore', 'pipe', call.showProgress === true ? 'inherit' : 'pipe', 'pipe'] },
  );
  const lifeline = child.stdio[3] as Writable;
  lifeline.on('error', () => undefined); // the guard has gone before us
  child.once('exit', () => lifeline.end('released\n'));
  const stop = (): void => {
    child.kill('SIGTERM');
  };
  call.signal.addEventListener('abort', stop, { once: true });
  try {
    const ended = new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => resolve(code ?? 1));
    });
    const [exitCode, printed, words] = await Promise.all([
      ended,
      child.stdout === null ? '' : text(child.stdout),
      child.stderr === null ? '' : text(child.stderr),
    ]);
    call.signal.throwIfAborted();
    return { exitCode, json: parsed(printed, call.args), words: words.trim().slice(0, MAX_WORDS) };
  } finally {
    call.signal.removeEventListener('abort', stop);
  }
}

/** @throws MeterhouseCommandError unless it ended with 0 */
export function requireDone(what: string, result: CommandResult): unknown {
  if (result.exitCode === 0) return result.json;
  throw new MeterhouseCommandError(`${what}: ${result.words === '' ? 'it failed' : result.words}`);
}

function parsed(printed: string, args: readonly string[]): unknown {
  if (printed.trim() === '') return null;
  try {
    return JSON.parse(printed) as unknown;
  } catch (cause) {
    throw new MeterhouseCommandError(
      `meterhouse ${args[0] ?? ''} printed no JSON: ${printed.slice(0, 200)}`,
      {
        cause,
      },
    );
  }
}
