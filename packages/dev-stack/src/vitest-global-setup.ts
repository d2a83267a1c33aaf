import { createServer, type Server } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { readEndpoints } from './data-dir/endpoints-file.ts';
import { readEnvironment } from './environment.ts';
import type { Endpoints, Stack } from './stack.ts';
import { startStack } from './start-stack.ts';
import type {} from './testing.ts';

/**
 * One stack for the whole run: the running one that METERHOUSE_DATA_DIR names, else one of our own. It is
 * started for the first test file that asks, so that a run of pure tests needs none.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { runningDataDir } = readEnvironment(process.env);
  const own = new OwnStack();
  const endpoints = (): Promise<Endpoints> =>
    runningDataDir === undefined ? own.endpoints() : readEndpoints(runningDataDir);
  const server = createServer((_request, response) => {
    endpoints().then(
      (found) => response.end(JSON.stringify(found)),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  const { port } = await listening(server);
  project.provide('meterhouseStackUrl', `http://127.0.0.1:${port}`);
  return async () => {
    server.close();
    await own.stop();
  };
}

class OwnStack {
  #starting: Promise<{ stack: Stack; dataDir: string }> | undefined;

  async endpoints(): Promise<Endpoints> {
    this.#starting ??= this.#start();
    return (await this.#starting).stack.endpoints;
  }

  async #start(): Promise<{ stack: Stack; dataDir: string }> {
    const dataDir = await mkdtemp(join(tmpdir(), 'meterhouse-test-'));
    return { stack: await startStack({ dataDir }), dataDir };
  }

  async stop(): Promise<void> {
    // A start that failed has been told to those who asked for it, and has cleaned up after itself.
    const started = await this.#starting?.catch(() => undefined);
    if (!started) return;
    const { stack, dataDir } = started;
    await stack.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function listening(server: Server): Promise<AddressInfo> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return server.address() as AddressInfo;
}
