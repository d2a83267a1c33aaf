import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { processExists, processStartMark } from '../process/process-tree.ts';
import { waitUntil } from '../wait-until.ts';
import { writeAtomically } from './write-atomically.ts';

interface KnownProcess {
  pid: number;
  startMark: string;
}

const goneTimeoutMs = 20_000;

/**
 * The servers that run on a data dir. When an owner was killed, its servers need a moment to follow; the next
 * owner waits for them, because two servers on one folder would be refused or worse.
 */
export class KnownProcesses {
  readonly #path: string;
  readonly #processes: Record<string, KnownProcess> = {};

  constructor(dataDir: string) {
    this.#path = join(dataDir, 'processes.json');
  }

  record(name: string, pid: number): void {
    const startMark = processStartMark(pid);
    if (startMark === undefined) return; // ended before it could be looked at
    this.#processes[name] = { pid, startMark };
    writeAtomically(this.#path, `${JSON.stringify(this.#processes, null, 2)}\n`);
  }

  async waitForLeftOvers(): Promise<void> {
    for (const [name, known] of Object.entries(readKnown(this.#path))) {
      await waitUntil(
        () => {
          if (isStillThere(known)) throw new Error(`process ${known.pid} runs`);
        },
        { what: `End of the ${name} that an earlier stack left in ${this.#path}`, timeoutMs: goneTimeoutMs },
      );
    }
  }
}

function isStillThere(known: KnownProcess): boolean {
  return processExists(known.pid) && processStartMark(known.pid) === known.startMark;
}

function readKnown(path: string): Record<string, KnownProcess> {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Record<string, KnownProcess>;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
}
