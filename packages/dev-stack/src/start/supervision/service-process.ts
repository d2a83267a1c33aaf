/** A service of ours as a child process that cannot outlive this one. */
import type { ChildProcess } from 'node:child_process';
import { closeSync } from 'node:fs';
import { spawnGuarded } from '../../process/guarded-process.ts';
import { openPartLog } from '../../process/part-log.ts';
import type { Run } from './supervisor.ts';

/** As in deploy/Dockerfile. Without it V8 lets a backlog's garbage lie until the process is twice as large. */
export const HEAP_BOUND = ['--max-old-space-size=256', '--max-semi-space-size=16'];

export interface ServiceCommand {
  /** The service's main.ts. */
  readonly script: string;
  readonly env: Readonly<Record<string, string>>;
  readonly logPath: string;
}

/** A service drains for ten seconds at most; what it has not written by then is redone at the next start. */
const STOP_TIMEOUT_MS = 12_000;

export function startServiceProcess(command: ServiceCommand): Promise<Run> {
  const logFd = openPartLog(command.logPath);
  let child: ChildProcess;
  try {
    child = spawnGuarded(
      {
        file: process.execPath,
        args: [...HEAP_BOUND, command.script],
        env: command.env,
        whenOrphaned: { signal: 'TERM', graceSeconds: STOP_TIMEOUT_MS / 1000 },
      },
      logFd,
    );
  } finally {
    closeSync(logFd);
  }
  const ended = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => {
      resolve(signal === null ? `exit code ${code ?? '?'}` : `signal ${signal}`);
    });
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('spawn', () => {
      const { pid } = child;
      if (pid !== undefined) resolve({ pid, ended, stop: () => stop(child, ended) });
    });
  });
}

async function stop(child: ChildProcess, ended: Promise<string>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  // A frozen process takes no signal but SIGKILL until it is woken.
  child.kill('SIGCONT');
  const deadline = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await ended;
  clearTimeout(deadline);
}
