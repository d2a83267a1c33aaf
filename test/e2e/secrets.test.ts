/**
 * Guarantee: no secret comes out of a service, at LOG_LEVEL=debug, while its parts are away. Passwords in
 * URLs, the key that seals webhooks' secrets: not in what it prints, not in what it measures, not in why it
 * is not ready.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '@meterhouse/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { startChild } from '../faults/processes/guarded-child.ts';

const SERVICES = ['aggregator', 'api', 'decision-log', 'quota-snapshot', 'webhooks'];
const CANARY = 'c4nary-p4ssw0rd';
const SEALING = Buffer.from('c4nary-sealing-key-of-32-bytes!!').toString('base64');

test.each(SERVICES)(
  '%s tells no secret while its parts are away',
  async (service) => {
    const folder = await mkdtemp(join(tmpdir(), 'meterhouse-secrets-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const log = join(folder, 'log');
    const port = await freePort();
    // Nobody listens there.
    const at = (scheme: string, path = ''): string => `${scheme}://canary:${CANARY}@127.0.0.1:9${path}`;
    const script = new URL(`../../services/${service}/src/main.ts`, import.meta.url);
    const child = startChild(script, log, {
      KAFKA_BROKERS: '127.0.0.1:9',
      SCHEMA_REGISTRY_URL: at('http', '/apis'),
      DATABASE_URL: at('postgresql', '/meterhouse'),
      CLICKHOUSE_URL: at('http'),
      REDIS_URL: at('redis'),
      WEBHOOK_SECRET_KEY: SEALING,
      METRICS_PORT: String(port),
      API_PORT: '0',
      LOG_LEVEL: 'debug',
      START_TIMEOUT_MS: '3000',
    });
    onTestFinished(async () => {
      child.signal('SIGKILL');
      await child.ended;
    });
    const said: string[] = [];
    const read = async (path: string): Promise<number> => {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`);
      said.push(await answer.text());
      return answer.status;
    };
    const unready = async () => ((await read('/readyz')) === 503 ? true : undefined);
    await waitFor(`${service} to say why it is not ready`, unready, {
      deadlineMs: 60_000,
      retryErrors: true,
    });
    await read('/metrics');
    // The start is given up, and the last line says why.
    await child.ended;
    const output = await readFile(log, 'utf8');
    expect(output).toMatch(/wait/i);
    for (const text of [output, ...said])
      for (const secret of [CANARY, encodeURIComponent(CANARY), SEALING]) expect(text).not.toContain(secret);
  },
  120_000,
);

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
