/**
 * Guarantees: no secret comes out of a service, at LOG_LEVEL=debug, while its parts are away. Passwords in
 * URLs, the key that seals webhooks' secrets: not in what it prints, not in what it measures, not in why it
 * is not ready. Nor where a part says the password back in its refusal, which nobody but the scrub keeps out:
 * with the scrub of the log or of /readyz taken out, this fails.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '@meterhouse/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { startChild } from '../faults/processes/guarded-child.ts';

const SERVICES = ['aggregator', 'api', 'decision-log', 'quota-snapshot', 'relay', 'webhooks'];
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
    const at = (scheme: string, path = '', to = 9): string =>
      `${scheme}://canary:${CANARY}@127.0.0.1:${to}${path}`;
    const postgres = await startTellingPostgres();
    const script = new URL(`../../services/${service}/src/main.ts`, import.meta.url);
    const child = startChild(script, log, {
      KAFKA_BROKERS: '127.0.0.1:9',
      SCHEMA_REGISTRY_URL: at('http', '/apis'),
      DATABASE_URL: at('postgresql', '/meterhouse', postgres.port),
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
    await waitFor(
      `${service} to be refused by Postgres`,
      () => Promise.resolve(postgres.told() || undefined),
      {
        deadlineMs: 60_000,
      },
    );
    // Asked until it is given up: what Postgres said stands there by and by.
    const saying = async () => {
      await read('/readyz');
      return child.hasEnded() ? true : undefined;
    };
    await waitFor(
      `${service} to give its start up`,
      () => saying().catch(() => child.hasEnded() || undefined),
      {
        deadlineMs: 60_000,
      },
    );
    // The start is given up, and the last line says why.
    await child.ended;
    const output = await readFile(log, 'utf8');
    expect(output).toMatch(/wait/i);
    for (const text of [output, ...said])
      for (const secret of [CANARY, encodeURIComponent(CANARY), SEALING]) expect(text).not.toContain(secret);
    // What was looked through tells of that refusal.
    for (const text of [output, said.join('\n')]) expect(text).toContain('not with [redacted]');
  },
  120_000,
);

/** Asks for the password, and says it back: `the database system is starting up; not with PASSWORD`. */
async function startTellingPostgres(): Promise<{ readonly port: number; readonly told: () => boolean }> {
  let told = false;
  const message = (type: string, body: Buffer): Buffer => {
    const head = Buffer.alloc(5);
    head.write(type);
    head.writeInt32BE(body.length + 4, 1);
    return Buffer.concat([head, body]);
  };
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', () => {
      // AuthenticationCleartextPassword
      socket.write(message('R', Buffer.from([0, 0, 0, 3])));
      socket.once('data', (answer) => {
        const password = answer.subarray(5, -1).toString();
        // cannot_connect_now: it is waited for
        const fields = ['SFATAL', 'C57P03', `Mthe database system is starting up; not with ${password}`];
        socket.end(message('E', Buffer.from(`${fields.join('\0')}\0\0`)));
        told = true;
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return { port: (server.address() as AddressInfo).port, told: () => told };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
