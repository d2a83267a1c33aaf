import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { answersOk } from '../process/answers-ok.ts';
import type { ServerDefinition } from '../process/server-part.ts';

export interface ClickHousePartOptions {
  dir: string;
  port: number;
  logPath: string;
}

const serverMain = fileURLToPath(new URL('server/main.ts', import.meta.url));

export function clickHouseUrl(port: number): string {
  return `http://127.0.0.1:${port}`;
}

/** The engine (chdb) in a process of its own, so that it can be killed, frozen and restarted like a server. */
export function clickHousePart({ dir, port, logPath }: ClickHousePartOptions): ServerDefinition {
  return {
    label: 'ClickHouse',
    logPath,
    startTimeoutMs: 60_000,
    stop: { signal: 'SIGTERM', timeoutMs: 15_000 },
    prepare: () => {
      mkdirSync(dir, { recursive: true });
      return Promise.resolve();
    },
    command: () => ({
      file: process.execPath,
      args: [serverMain, dir, String(port)],
      // Each running query holds a thread of this pool; see `runningQueries` in server/main.ts.
      env: { UV_THREADPOOL_SIZE: '16', NODE_OPTIONS: '' },
      whenOrphaned: { signal: 'KILL', graceSeconds: 0 },
    }),
    ready: () => answersOk(`${clickHouseUrl(port)}/ping`),
  };
}
