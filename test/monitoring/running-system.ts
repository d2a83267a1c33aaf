/** A system of its own, as `npm start -- --empty` brings it up: the real services as processes of their own. */
import { once } from 'node:events';
import { closeSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readEndpoints, type Endpoints } from '@meterhouse/dev-stack';
import { waitFor } from '@meterhouse/runtime';
import { spawnGuarded } from '../../packages/dev-stack/src/process/guarded-process.ts';
import { lastLogLines, openPartLog } from '../../packages/dev-stack/src/process/part-log.ts';

const MAIN = fileURLToPath(new URL('../../packages/dev-stack/src/start/main.ts', import.meta.url));
const START_MS = 300_000;
const STOP_MS = 60_000;

export interface RunningSystem {
  readonly dataDir: string;
  readonly endpoints: Endpoints;
  /** As they are now: a service that was started again has another pid. */
  readonly pids: () => Promise<Readonly<Record<string, number>>>;
  readonly stop: () => Promise<void>;
}

export interface SystemOptions {
  readonly dataDir: string;
  /** Printed lines go there. */
  readonly logPath: string;
  /** Tenants and metrics to register first. */
  readonly registry: string;
  /** Also for the services: npm start passes on what it was given. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Resolves when every service says that it is ready. */
export async function startSystem({
  dataDir,
  logPath,
  registry,
  env = {},
}: SystemOptions): Promise<RunningSystem> {
  const log = openPartLog(logPath);
  const child = spawnGuarded(
    {
      file: process.execPath,
      args: [MAIN, '--data-dir', dataDir, '--empty', '--registry', registry],
      env,
      whenOrphaned: { signal: 'TERM', graceSeconds: STOP_MS / 1_000 },
    },
    log,
  );
  closeSync(log);
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const stop = async (): Promise<void> => {
    if (hasEnded()) return;
    const ended = once(child, 'exit');
    child.kill('SIGINT');
    const deadline = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await ended;
    clearTimeout(deadline);
  };
  try {
    await waitFor(
      'the system to be ready',
      async () => {
        if (hasEnded()) throw new Error(`npm start ended:\n${lastLogLines(join(logPath))}`);
        return (await isReady(dataDir)) ? true : undefined;
      },
      { deadlineMs: START_MS, everyMs: 500 },
    );
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    dataDir,
    endpoints: await readEndpoints(dataDir),
    pids: async () => (await readEndpoints(dataDir)).pids,
    stop,
  };
}

/** The API is the last to be written down; then it is up to the services. */
async function isReady(dataDir: string): Promise<boolean> {
  try {
    const { api, metrics = {} } = await readEndpoints(dataDir);
    if (api === undefined) return false;
    const answers = await Promise.all(Object.values(metrics).map((url) => fetch(`${url}/readyz`)));
    return answers.every(({ ok }) => ok);
  } catch (error) {
    if (error instanceof TypeError || (error instanceof Error && error.message.startsWith('No stack runs')))
      return false;
    throw error;
  }
}
