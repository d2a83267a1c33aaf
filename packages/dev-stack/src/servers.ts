import type { Endpoints, Part, PartName } from './stack.ts';

/** A part as the stack itself handles it. */
export interface StackServer extends Part {
  /** A clean end within a deadline, else a hard one. Harmless when it does not run. */
  stop(): Promise<void>;
}

/** The servers of a stack, not started yet, and the URLs at which they will be found. */
export interface Servers {
  urls: Omit<Endpoints, 'pids'>;
  byName: Partial<Record<PartName, StackServer>>;
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
