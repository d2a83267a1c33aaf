/** A Redis for tests: one of their own where redis-server is installed, which can be frozen and killed. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';

const SERVER = 'redis-server';
const START_ATTEMPTS = 5;

export interface OwnRedisServer {
  readonly url: string;
  readonly port: number;
  /** Frozen by SIGSTOP: connections stay, nothing is answered. */
  freeze(): void;
  thaw(): void;
  /** Ends it at once; resolves when it is gone. */
  kill(): Promise<void>;
}

/** @returns null where no redis-server is installed */
export async function startRedisServer(
  options: { readonly port?: number; readonly args?: readonly string[] } = {},
): Promise<OwnRedisServer | null> {
  for (let attempt = 0; attempt < START_ATTEMPTS; attempt++) {
    const port = options.port ?? (await freePort());
    const server = await spawned([
      ...['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'],
      ...(options.args ?? []),
    ]);
    if (server === 'not_installed') return null;
    // Somebody else may have taken the port in between; then it ended by itself.
    if (server !== 'ended') return ownServer(server, port);
  }
  throw new Error(`redis-server did not start in ${START_ATTEMPTS} attempts`);
}

/** One server for a test file: its own, else the one of REDIS_URL; null when there is neither. */
export async function redisForTests(): Promise<{ url: string; stop: () => Promise<void> } | null> {
  const own = await startRedisServer();
  if (own !== null) return { url: own.url, stop: () => own.kill() };
  const url = process.env['REDIS_URL'];
  return url === undefined || url === '' ? null : { url, stop: () => Promise.resolve() };
}

export const NO_REDIS = '(skipped where neither redis-server is installed nor REDIS_URL is set)';
export const NO_REDIS_SERVER = '(skipped where redis-server is not installed)';

async function spawned(args: readonly string[]): Promise<ChildProcess | 'not_installed' | 'ended'> {
  const child = spawn(SERVER, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ready = new Promise<'ready' | 'ended'>((resolve) => {
    const lines = createInterface({ input: child.stdout });
    lines.on('line', (line) => {
      if (line.includes('Ready to accept connections')) resolve('ready');
    });
    child.once('exit', () => resolve('ended'));
  });
  const missing = new Promise<'not_installed'>((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ENOENT' ? resolve('not_installed') : reject(error),
    );
  });
  const state = await Promise.race([ready, missing]);
  return state === 'ready' ? child : state;
}

function ownServer(child: ChildProcess, port: number): OwnRedisServer {
  const killAtExit = (): void => {
    child.kill('SIGKILL');
  };
  process.once('exit', killAtExit);
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    freeze: () => child.kill('SIGSTOP'),
    thaw: () => child.kill('SIGCONT'),
    kill: async () => {
      process.off('exit', killAtExit);
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
