import { rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Endpoints } from '../stack.ts';
import { writeAtomically } from './write-atomically.ts';

const pathIn = (dataDir: string): string => join(dataDir, 'endpoints.json');

export function writeEndpoints(dataDir: string, endpoints: Endpoints): void {
  writeAtomically(pathIn(dataDir), `${JSON.stringify(endpoints, null, 2)}\n`);
}

export function removeEndpoints(dataDir: string): void {
  rmSync(pathIn(dataDir), { force: true });
}

/** The endpoints of the stack that runs in this data dir. */
export async function readEndpoints(dataDir: string): Promise<Endpoints> {
  let text: string;
  try {
    text = await readFile(pathIn(dataDir), 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
    throw new Error(`No stack runs in ${dataDir}: ${pathIn(dataDir)} does not exist.`, { cause });
  }
  const parsed: unknown = JSON.parse(text);
  if (!isEndpoints(parsed)) throw new Error(`${pathIn(dataDir)} is not an endpoints file.`);
  return parsed;
}

function isEndpoints(value: unknown): value is Endpoints {
  if (typeof value !== 'object' || value === null) return false;
  const fields = value as Record<string, unknown>;
  const urls = [fields['kafka'], fields['schemaRegistry'], fields['postgres'], fields['clickhouse']];
  return urls.every((url) => typeof url === 'string') && typeof fields['pids'] === 'object';
}
