import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execFileAsync = promisify(execFile);

/** Runs a program to its end; a failure's message holds what it printed. */
export async function run(file: string, args: readonly string[], timeoutMs = 60_000): Promise<void> {
  try {
    await execFileAsync(file, args, {
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
      maxBuffer: 16 * 1024 * 1024,
    });
  } catch (cause) {
    const { stdout = '', stderr = '' } = cause as { stdout?: string; stderr?: string };
    throw new Error(`${file} failed: ${`${stdout}\n${stderr}`.trim().slice(-2000) || String(cause)}`, {
      cause,
    });
  }
}
