import type { ChildProcess } from 'node:child_process';
import { closeSync } from 'node:fs';
import { PartFailedError, type Part } from '../stack.ts';
import { waitUntil } from '../wait-until.ts';
import { spawnGuarded, type GuardedCommand } from './guarded-process.ts';
import { lastLogLines, openPartLog } from './part-log.ts';
import { descendantsOf, processExists } from './process-tree.ts';

/** How one server is prepared, started, asked for, and stopped. */
export interface ServerDefinition {
  label: string;
  logPath: string;
  startTimeoutMs: number;
  /** A clean end. SIGKILL follows after the deadline. */
  stop: { signal: NodeJS.Signals; timeoutMs: number };
  /** Runs before every start; must be harmless when there is nothing to do. */
  prepare: () => Promise<void>;
  command: () => GuardedCommand;
  /** One question to the server; throws while it is not ready. */
  ready: () => Promise<void>;
}

const killTimeoutMs = 60_000;

/** A server as a child process of this one. */
export class ServerPart implements Part {
  readonly #definition: ServerDefinition;
  readonly #onPid: (pid: number) => void;
  #child: ChildProcess | undefined;

  constructor(definition: ServerDefinition, onPid: (pid: number) => void) {
    this.#definition = definition;
    this.#onPid = onPid;
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new PartFailedError(`${this.#definition.label} was never started`);
    return pid;
  }

  running(): boolean {
    return this.#child !== undefined && !ended(this.#child);
  }

  async start(): Promise<void> {
    if (this.running()) return;
    const { label, logPath, startTimeoutMs, prepare, command, ready } = this.#definition;
    await prepare();
    const logFd = openPartLog(logPath);
    const child = spawnGuarded(command(), logFd);
    closeSync(logFd);
    this.#child = child;
    let spawnError: Error | undefined;
    child.once('error', (error) => (spawnError = error));
    if (child.pid !== undefined) this.#onPid(child.pid);
    try {
      await waitUntil(ready, {
        what: `${label} ready`,
        timeoutMs: startTimeoutMs,
        giveUp: () =>
          spawnError ?? (ended(child) ? new Error(`the process ended: ${howItEnded(child)}`) : undefined),
      });
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      if (!ended(child)) await this.kill('SIGKILL');
      throw new PartFailedError(
        `${label} did not start: ${reason}\nLast lines of ${logPath}:\n${lastLogLines(logPath)}`,
        { cause },
      );
    }
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child?.pid === undefined || ended(child)) return;
    const { pid } = child;
    const tree = [pid, ...descendantsOf(pid)];
    if (signal === 'SIGSTOP' || signal === 'SIGCONT') {
      for (const each of tree) signalIfThere(each, signal);
      return;
    }
    child.kill(signal);
    // Postgres' backends notice a killed postmaster by themselves, but a new one is refused until they did.
    // `ended` first: only then has the child been reaped here and its port been given back.
    await waitUntil(
      () => {
        const left = tree.filter((each) => each !== pid && processExists(each));
        if (!ended(child)) left.push(pid);
        if (left.length > 0) throw new Error(`still there: ${left.join(', ')}`);
      },
      {
        what: `${this.#definition.label} (pid ${pid}) gone after ${signal}`,
        timeoutMs: killTimeoutMs,
        intervalMs: 10,
      },
    );
  }

  /** A clean end within the deadline, else SIGKILL. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (!child || ended(child)) return;
    await this.kill('SIGCONT'); // a frozen server takes no other signal
    const { signal, timeoutMs } = this.#definition.stop;
    child.kill(signal);
    try {
      await waitUntil(
        () => {
          if (!ended(child)) throw new Error('still running');
        },
        { what: `${this.#definition.label} stopped`, timeoutMs, intervalMs: 10 },
      );
    } catch {
      await this.kill('SIGKILL');
    }
  }
}

function ended(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null || child.pid === undefined;
}

function howItEnded(child: ChildProcess): string {
  return child.signalCode ? `signal ${child.signalCode}` : `exit code ${child.exitCode}`;
}

function signalIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
