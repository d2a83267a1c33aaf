import { getContainerRuntimeClient, type StartedTestContainer } from 'testcontainers';
import type { StackServer } from '../servers.ts';
import { PartFailedError } from '../stack.ts';
import { waitUntil } from '../wait-until.ts';
import type { LoopbackContainer } from './loopback-container.ts';

/** How one server's container is made and asked. */
export interface ContainerDefinition {
  label: string;
  create: () => LoopbackContainer;
  ready: () => Promise<void>;
  stopTimeoutMs: number;
}

interface RunningContainer {
  started: StartedTestContainer;
  pid: number;
  alive: boolean;
}

const readyTimeoutMs = 120_000;

/** A server in a container, behind the same interface as one in a child process. */
export class ContainerPart implements StackServer {
  readonly #definition: ContainerDefinition;
  readonly #onPid: (pid: number) => void;
  #container: RunningContainer | undefined;

  constructor(definition: ContainerDefinition, onPid: (pid: number) => void) {
    this.#definition = definition;
    this.#onPid = onPid;
  }

  /** As the machine that runs the container numbers it. */
  get pid(): number {
    if (!this.#container) throw new PartFailedError(`${this.#definition.label} was never started`);
    return this.#container.pid;
  }

  running(): boolean {
    return this.#container?.alive ?? false;
  }

  async start(): Promise<void> {
    if (this.running()) return;
    const started = this.#container?.started ?? (await this.#definition.create().start());
    const control = await controlOf(started);
    const { State: before } = await control.inspect();
    if (!before.Running) await control.start();
    const { State: state } = await control.inspect();
    const container: RunningContainer = { started, pid: state.Pid, alive: true };
    this.#container = container;
    this.#onPid(state.Pid);
    const gone = (): void => void (container.alive = false);
    control.wait({ condition: 'not-running' }).then(gone, gone);
    try {
      await waitUntil(this.#definition.ready, {
        what: `${this.#definition.label} ready`,
        timeoutMs: readyTimeoutMs,
        giveUp: () => (container.alive ? undefined : new Error('the container ended')),
      });
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new PartFailedError(
        `${this.#definition.label} did not start: ${reason}\n${await lastLines(started)}`,
        {
          cause,
        },
      );
    }
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    if (!this.#container || !this.running()) return;
    const control = await controlOf(this.#container.started);
    // The freezer holds the whole container; a signal would hold its first process only.
    if (signal === 'SIGSTOP') await control.pause();
    else if (signal === 'SIGCONT') await control.unpause();
    else {
      await control.kill({ signal });
      await control.wait({ condition: 'not-running' });
      this.#container.alive = false;
    }
  }

  async stop(): Promise<void> {
    if (!this.#container) return;
    const control = await controlOf(this.#container.started);
    const { State: state } = await control.inspect();
    if (state.Paused) await control.unpause();
    await this.#container.started.stop({ timeout: this.#definition.stopTimeoutMs });
    this.#container = undefined;
  }
}

type Control = ReturnType<Awaited<ReturnType<typeof getContainerRuntimeClient>>['container']['getById']>;

async function controlOf(started: StartedTestContainer): Promise<Control> {
  const client = await getContainerRuntimeClient();
  return client.container.getById(started.getId());
}

async function lastLines(started: StartedTestContainer): Promise<string> {
  const lines: string[] = [];
  try {
    for await (const line of await started.logs({ tail: 15 })) lines.push(String(line).trimEnd());
  } catch (error) {
    return `(no log: ${String(error)})`;
  }
  return lines.join('\n');
}
