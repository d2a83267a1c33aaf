import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { readEndpoints } from './data-dir/endpoints-file.ts';
import { readEnvironment } from './environment.ts';
import { startStack } from './start-stack.ts';
import './testing.ts';

/** One stack for the whole run: the running one that METERHOUSE_DATA_DIR names, else one of our own. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { runningDataDir } = readEnvironment(process.env);
  if (runningDataDir !== undefined) {
    project.provide('meterhouseEndpoints', await readEndpoints(runningDataDir));
    return () => Promise.resolve();
  }
  const dataDir = await mkdtemp(join(tmpdir(), 'meterhouse-test-'));
  const stack = await startStack({ dataDir, onProgress: (line) => process.stderr.write(`${line}\n`) });
  project.provide('meterhouseEndpoints', stack.endpoints);
  return async () => {
    await stack.stop();
    await rm(dataDir, { recursive: true, force: true });
  };
}
