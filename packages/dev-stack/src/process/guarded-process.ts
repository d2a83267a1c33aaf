import { spawn, type ChildProcess } from 'node:child_process';
import type { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

const guardScript = fileURLToPath(new URL('guard.sh', import.meta.url));

export interface GuardedCommand {
  file: string;
  args: readonly string[];
  env?: Readonly<Record<string, string>>;
  cwd?: string;
  /** What the command gets when this process dies; SIGKILL follows after the grace period. */
  whenOrphaned: { signal: 'KILL' | 'QUIT' | 'TERM'; graceSeconds: number };
}

/**
 * Starts a server that dies with this process, also when this process is killed (see guard.sh).
 * The child is a session of its own, so that Ctrl-C reaches only us and we stop the parts in order.
 */
export function spawnGuarded(command: GuardedCommand, logFd: number): ChildProcess {
  const { signal, graceSeconds } = command.whenOrphaned;
  const child = spawn('sh', [guardScript, signal, String(graceSeconds), command.file, ...command.args], {
    cwd: command.cwd,
    env: { ...process.env, ...command.env },
    detached: true,
    stdio: ['ignore', logFd, logFd, 'pipe'],
  });
  const lifeline = child.stdio[3] as Writable;
  // The watcher may be gone already; there is nobody left to tell then.
  lifeline.on('error', () => undefined);
  child.once('exit', () => lifeline.end('released\n'));
  return child;
}
