/**
 * The development stack: real Kafka, schema registry, Postgres and ClickHouse on loopback.
 *
 * Terminology: a **part** is one server; a **stack** is the four of them over one **data dir**, which
 * holds everything they keep (data, ports, logs, `endpoints.json`).
 */

export type PartName = 'kafka' | 'schemaRegistry' | 'postgres' | 'clickhouse';

/** Start order of parts that need each other; `stop()` goes the other way. */
export const partNames: readonly PartName[] = ['postgres', 'clickhouse', 'kafka', 'schemaRegistry'];

export const partLabels: Readonly<Record<PartName, string>> = {
  kafka: 'Kafka',
  schemaRegistry: 'Schema registry',
  postgres: 'Postgres',
  clickhouse: 'ClickHouse',
};

/** What `DIR/endpoints.json` holds while the stack runs. */
export interface Endpoints {
  /** host:port */
  kafka: string;
  /** http://…/apis/ccompat/v7 */
  schemaRegistry: string;
  /** postgresql://… to the database `meterhouse`, as its owner and superuser */
  postgres: string;
  /** http://127.0.0.1:port */
  clickhouse: string;
  /** Process ids by part or service name. */
  pids: Record<string, number>;
  /** http://127.0.0.1:port of the HTTP API; once it runs. */
  api?: string;
  /** http://127.0.0.1:port of each service's metrics and health, by its name; once services run. */
  metrics?: Record<string, string>;
}

export interface Part {
  /** The server's own pid (postmaster, JVM, engine process), for faults. */
  readonly pid: number;
  /**
   * Resolves when the process is gone; for SIGSTOP and SIGCONT at once. A frozen Postgres is frozen whole,
   * its backends too.
   */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same port and data. Resolves when it answers. */
  start(): Promise<void>;
  running(): boolean;
}

export interface Stack {
  readonly endpoints: Endpoints;
  part(name: PartName): Part;
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
  /** Adds a service's pid to `endpoints.json`. */
  registerPid(name: string, pid: number): void;
  /** Adds where the HTTP API is to `endpoints.json`. */
  registerApi(url: string): void;
  /** Adds where a service's metrics are to `endpoints.json`. */
  registerMetrics(name: string, url: string): void;
}

export interface StackOptions {
  dataDir: string;
  /** Ports that are not named here are chosen free, and remembered in the data dir. */
  ports?: Partial<Record<PartName, number>>;
  /** Default: all four. The schema registry brings Postgres with it. */
  parts?: PartName[];
  onProgress?: (line: string) => void;
}

/** Another live process runs a stack in this data dir. */
export class DataDirInUseError extends Error {
  override name = 'DataDirInUseError';
}

/** A part did not come up; the message ends with the last lines of its log. */
export class PartFailedError extends Error {
  override name = 'PartFailedError';
}
