import { clickHouseUrl } from './clickhouse/clickhouse-part.ts';
import { postgresUrl } from './postgres/postgres-part.ts';
import { registryUrl } from './registry/registry-part.ts';
import type { Endpoints, Part, PartName } from './stack.ts';

/** A part as the stack itself handles it. */
export interface StackServer extends Part {
  /** A clean end within a deadline, else a hard one. Harmless when it does not run. */
  stop(): Promise<void>;
}

/** The servers of a stack, not started yet, and the URLs at which they will be found. */
export interface Servers {
  urls: Omit<Endpoints, 'pids' | 'metrics'>;
  byName: Partial<Record<PartName, StackServer>>;
  /** Gives back what the servers had in common, once they have stopped. */
  close?: () => Promise<void>;
}

export interface ServersOptions {
  dataDir: string;
  names: readonly PartName[];
  ports: Partial<Record<PartName, number>>;
  cacheDir: string;
  progress: (line: string) => void;
  /** Called at each start of a part: it gets a new pid. */
  onPid: (name: PartName, pid: number) => void;
}

/** However the servers are run, they are found on loopback. */
export function loopbackUrls(ports: Record<PartName, number>, postgresPassword: string): Servers['urls'] {
  return {
    kafka: `127.0.0.1:${ports.kafka}`,
    schemaRegistry: registryUrl(ports.schemaRegistry),
    postgres: postgresUrl(ports.postgres, postgresPassword, 'meterhouse'),
    clickhouse: clickHouseUrl(ports.clickhouse),
  };
}
