import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { writeAtomically } from './write-atomically.ts';

/** Below the ranges from which systems lend ports to outgoing connections: a stopped part finds its port free again. */
const lowest = 12_000;
const highest = 30_000;
const attempts = 200;

/**
 * One port for each name: the wanted one, else the one of last time, else any that is free. Remembered in the
 * data dir, so that a restarted stack keeps its URLs when it can.
 */
export async function choosePorts<Name extends string>(
  dataDir: string,
  names: readonly Name[],
  wanted: Partial<Record<Name, number>>,
): Promise<Record<Name, number>> {
  const path = join(dataDir, 'ports.json');
  const remembered = readRemembered(path);
  const chosen = new Map<Name, number>();
  for (const name of names) {
    const taken = new Set(chosen.values());
    const fixed = wanted[name];
    if (fixed !== undefined) {
      if (taken.has(fixed) || !(await isFree(fixed)))
        throw new Error(`Port ${fixed}, set for ${name}, is taken.`);
      chosen.set(name, fixed);
    } else {
      const last = remembered[name];
      const again = last !== undefined && !taken.has(last) && (await isFree(last));
      chosen.set(name, again ? last : await anyFree(taken));
    }
  }
  const ports = Object.fromEntries(chosen) as Record<Name, number>;
  writeAtomically(path, `${JSON.stringify({ ...remembered, ...ports }, null, 2)}\n`);
  return ports;
}

function readRemembered(path: string): Partial<Record<string, number>> {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Partial<Record<string, number>>;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
}

async function anyFree(taken: ReadonlySet<number>): Promise<number> {
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const port = randomInt(lowest, highest);
    if (!taken.has(port) && (await isFree(port))) return port;
  }
  throw new Error(`No free port found between ${lowest} and ${highest} in ${attempts} attempts.`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}
