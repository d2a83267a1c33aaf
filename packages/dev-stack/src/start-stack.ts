import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { lockDataDir } from './data-dir/data-dir-lock.ts';
import { removeEndpoints, writeEndpoints } from './data-dir/endpoints-file.ts';
import { KnownProcesses } from './data-dir/known-processes.ts';
import { embeddedServers } from './embedded-servers.ts';
import { readEnvironment } from './environment.ts';
import type { Servers, StackServer } from './servers.ts';
import {
  partLabels,
  partNames,
  type Endpoints,
  type PartName,
  type Stack,
  type StackOptions,
} from './stack.ts';

/** Starts the parts in the data dir; resolves when all of them answer. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const environment = readEnvironment(process.env);
  const prepare = environment.stack === 'containers' ? await containers() : embeddedServers;
  const dataDir = resolve(options.dataDir);
  const stack = new DataDirStack(dataDir, withWhatTheyNeed(options.parts ?? partNames));
  const progress = options.onProgress ?? (() => undefined);
  try {
    await stack.waitForLeftOvers();
    const servers = await prepare({
      dataDir,
      names: stack.names,
      ports: options.ports ?? {},
      cacheDir: environment.cacheDir,
      progress,
      onPid: (name, pid) => stack.registerPart(name, pid),
    });
    await stack.start(servers, progress);
    return stack;
  } catch (error) {
    await stack.stop();
    throw error;
  }
}

/** Testcontainers is large, and most starts need none of it. */
async function containers(): Promise<typeof embeddedServers> {
  return (await import('./containers/container-servers.ts')).containerServers;
}

/** The registry keeps its schemas in Postgres. */
function withWhatTheyNeed(wanted: readonly PartName[]): PartName[] {
  const needed = new Set(wanted);
  if (needed.has('schemaRegistry')) needed.add('postgres');
  return partNames.filter((name) => needed.has(name));
}

class DataDirStack implements Stack {
  readonly names: readonly PartName[];
  readonly #dataDir: string;
  readonly #lock: { release: () => void };
  readonly #processes: KnownProcesses;
  readonly #pids: Record<string, number> = {};
  readonly #metrics: Record<string, string> = {};
  #api: string | null = null;
  /** In the order in which they were started. */
  readonly #started: StackServer[] = [];
  #servers: Servers | undefined;
  #answering = false;
  #stopping: Promise<void> | undefined;

  constructor(dataDir: string, names: readonly PartName[]) {
    this.names = names;
    this.#dataDir = dataDir;
    this.#lock = lockDataDir(dataDir);
    mkdirSync(join(dataDir, 'logs'), { recursive: true });
    this.#processes = new KnownProcesses(dataDir);
  }

  get endpoints(): Endpoints {
    if (!this.#servers) throw new Error('The stack has not been started.');
    const metrics = Object.keys(this.#metrics).length === 0 ? {} : { metrics: { ...this.#metrics } };
    const api = this.#api === null ? {} : { api: this.#api };
    return { ...this.#servers.urls, ...api, pids: { ...this.#pids }, ...metrics };
  }

  part(name: PartName): StackServer {
    const server = this.#servers?.byName[name];
    if (!server) throw new Error(`${partLabels[name]} is not part of this stack.`);
    return server;
  }

  registerPart(name: PartName, pid: number): void {
    this.#processes.record(name, pid);
    this.registerPid(name, pid);
  }

  registerPid(name: string, pid: number): void {
    this.#pids[name] = pid;
    if (this.#answering) writeEndpoints(this.#dataDir, this.endpoints);
  }

  registerApi(url: string): void {
    this.#api = url;
    if (this.#answering) writeEndpoints(this.#dataDir, this.endpoints);
  }

  registerMetrics(name: string, url: string): void {
    this.#metrics[name] = url;
    if (this.#answering) writeEndpoints(this.#dataDir, this.endpoints);
  }

  async waitForLeftOvers(): Promise<void> {
    await this.#processes.waitForLeftOvers();
  }

  /** All at once; only the registry waits, for its database. */
  async start(servers: Servers, progress: (line: string) => void): Promise<void> {
    this.#servers = servers;
    const starting = new Map<PartName, Promise<void>>();
    for (const name of this.names) {
      const before = name === 'schemaRegistry' ? starting.get('postgres') : undefined;
      starting.set(name, this.#startPart(name, before, progress));
    }
    // All must have settled before a failure is answered by a stop, or one could start behind its back.
    const outcomes = await Promise.allSettled(starting.values());
    const rejected = outcomes.flatMap((outcome) =>
      outcome.status === 'rejected' ? [outcome.reason as Error] : [],
    );
    const failures = [...new Set(rejected)]; // the registry fails with its database's own error
    const [first] = failures;
    if (failures.length > 1) throw new AggregateError(failures, failures.map(String).join('\n\n'));
    if (first) throw first;
    this.#answering = true;
    writeEndpoints(this.#dataDir, this.endpoints);
  }

  async #startPart(
    name: PartName,
    before: Promise<void> | undefined,
    progress: (line: string) => void,
  ): Promise<void> {
    const server = this.part(name);
    await before;
    const startedAtMs = performance.now();
    this.#started.push(server);
    await server.start();
    const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1);
    progress(`${partLabels[name]} ready in ${seconds} s`);
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stopNow();
    return this.#stopping;
  }

  async #stopNow(): Promise<void> {
    this.#answering = false;
    removeEndpoints(this.#dataDir);
    try {
      // Last in, first out: the registry leaves before its database. The others need not wait for each other.
      const [registry, rest] = this.#inStopOrder();
      await registry?.stop();
      await Promise.all(rest.map((server) => server.stop()));
      await this.#servers?.close?.();
    } finally {
      this.#lock.release();
    }
  }

  #inStopOrder(): [StackServer | undefined, StackServer[]] {
    const registry = this.#servers?.byName.schemaRegistry;
    return [registry, this.#started.toReversed().filter((server) => server !== registry)];
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
