/** Child processes that cannot outlive the run, also when it is killed and they are frozen. */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

const GUARD = fileURLToPath(new URL('../../../packages/dev-stack/src/process/guard.sh', import.meta.url));
const GRACE_SECONDS = 0;

export interface GuardedChild<In, Out> {
  readonly pid: number;
  /** Resolves with how it ended, such as `signal SIGKILL`. */
  readonly ended: Promise<string>;
  readonly hasEnded: () => boolean;
  /** A message to a process that is gone goes nowhere. */
  readonly send: (message: In) => void;
  readonly signal: (signal: NodeJS.Signals) => void;
  readonly onMessage: (handle: (message: Out) => void) => void;
}

/** @param logPath what it prints is appended there */
export function startChild<In extends object, Out>(
  script: URL,
  logPath: string,
  env: Readonly<Record<string, string>> = {},
): GuardedChild<In, Out> {
  const log = openSync(logPath, 'a');
  const child = spawn('sh', [GUARD, 'KILL', String(GRACE_SECONDS), process.execPath, fileURLToPath(script)], {
    env: { ...process.env, ...env },
    // A session of its own: Ctrl-C reaches only the driver, which ends its children in order.
    detached: true,
    stdio: ['ignore', log, log, 'pipe', 'ipc'],
  });
  closeSync(log);
  const { pid } = child;
  if (pid === undefined) throw new Error(`${script.pathname} could not be started`);
  const lifeline = child.stdio[3] as Writable;
  // The watcher may have gone first; there is nobody left to tell then.
  lifeline.on('error', () => undefined);
  const ended = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => {
      lifeline.end('released\n');
      resolve(signal === null ? `exit code ${code ?? '?'}` : `signal ${signal}`);
    });
  });
  // Told apart from its end: the channel of a killed child breaks a little earlier.
  child.on('error', () => undefined);
  return {
    pid,
    ended,
    hasEnded: () => gone(child),
    send: (message) => {
      if (child.connected) child.send(message, () => undefined);
    },
    signal: (signal) => {
      if (!gone(child)) child.kill(signal);
    },
    onMessage: (handle) => {
      child.on('message', (message) => {
        handle(message as Out);
      });
    },
  };
}

function gone(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
