/** Every part behind TLS with certificates of one authority, and asking who is there. */
import { mkdtemp, rm, writeFile, chown, readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import { request } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startStack } from '@meterhouse/dev-stack';
import { sharedStack } from '@meterhouse/dev-stack/testing';
import type { Releases } from '@meterhouse/runtime';
import { Client } from 'pg';
import { ownerOfFiles } from '../../packages/dev-stack/src/postgres/unprivileged.ts';
import { newAuthority, type Authority, type Certified } from './certificates.testing.ts';
import { startSecuredBroker, type SecuredBroker } from './secured-broker.testing.ts';

export const LOGIN = { username: 'meterhouse', password: 'not-to/be&seen' };
const REGISTRY_LOGIN = { username: 'meterhouse', password: 'registry-secret' };

export interface SecuredParts {
  readonly folder: string;
  readonly authority: Authority;
  readonly broker: SecuredBroker;
  /** What a service is told to reach all of them. */
  readonly env: Readonly<Record<string, string>>;
}

export async function startSecuredParts(releases: Releases): Promise<SecuredParts> {
  const folder = await mkdtemp(join(tmpdir(), 'meterhouse-secured-'));
  releases.add('the folder', () => rm(folder, { recursive: true, force: true }));
  const authority = await newAuthority('Meterhouse test authority');
  const ca = join(folder, 'ca.pem');
  await writeFile(ca, authority.ca);
  const certified = await authority.sign('parts');
  const user = { name: LOGIN.username, password: LOGIN.password };
  const [broker, postgres, shared] = await Promise.all([
    startSecuredBroker(folder, authority, [
      { mechanism: 'SCRAM-SHA-512', ...user },
      { mechanism: 'SCRAM-SHA-256', ...user },
    ]),
    securedPostgres(folder, certified, releases),
    sharedStack(),
  ]);
  releases.add('the broker', () => broker.stop());
  const registry = await terminateTls(shared.schemaRegistry, certified, releases, REGISTRY_LOGIN);
  const clickhouse = await terminateTls(shared.clickhouse, certified, releases);
  registry.username = REGISTRY_LOGIN.username;
  registry.password = REGISTRY_LOGIN.password;
  postgres.searchParams.set('sslmode', 'verify-full');
  postgres.searchParams.set('sslrootcert', ca);
  const env = {
    KAFKA_BROKERS: broker.login,
    KAFKA_TLS: 'true',
    KAFKA_CA_FILE: ca,
    KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512',
    KAFKA_USERNAME: LOGIN.username,
    KAFKA_PASSWORD: LOGIN.password,
    SCHEMA_REGISTRY_URL: registry.href,
    DATABASE_URL: postgres.href,
    CLICKHOUSE_URL: clickhouse.href,
    // Whom Node trusts beside the authorities that it knows: for everything but Kafka and Postgres.
    NODE_EXTRA_CA_CERTS: ca,
  };
  return { folder, authority, broker, env };
}

/** Refuses whoever comes without TLS. */
async function securedPostgres(folder: string, { cert, key }: Certified, releases: Releases): Promise<URL> {
  const dataDir = join(folder, 'stack');
  const stack = await startStack({ dataDir, parts: ['postgres'] });
  releases.add('Postgres', () => stack.stop());
  const files = {
    cert: join(dataDir, 'postgres', 'server.crt'),
    key: join(dataDir, 'postgres', 'server.key'),
  };
  const owner = ownerOfFiles();
  for (const [path, pem] of [
    [files.cert, cert],
    [files.key, key],
  ] as const) {
    await writeFile(path, pem, { mode: 0o600 });
    if (owner !== undefined) await chown(path, owner.uid, owner.gid);
  }
  const hba = join(dataDir, 'postgres', 'pg_hba.conf');
  await writeFile(hba, (await readFile(hba, 'utf8')).replaceAll(/^host\b/gm, 'hostssl'));
  const client = new Client({ connectionString: stack.endpoints.postgres });
  await client.connect();
  await client.query('ALTER SYSTEM SET ssl = on');
  await client.query('SELECT pg_reload_conf()');
  await client.end();
  const url = new URL(stack.endpoints.postgres);
  url.hostname = 'localhost';
  return url;
}

/** What stands in front of a part that speaks plain HTTP. */
async function terminateTls(
  target: string,
  certified: Certified,
  releases: Releases,
  login?: { readonly username: string; readonly password: string },
): Promise<URL> {
  const behind = new URL(target);
  const wanted = login && `Basic ${Buffer.from(`${login.username}:${login.password}`).toString('base64')}`;
  const server: Server = createServer(certified, (incoming, answer) => {
    if (wanted !== undefined && incoming.headers.authorization !== wanted) {
      answer.writeHead(401, { 'content-type': 'application/json' }).end('{"message":"who are you?"}');
      return;
    }
    const { method, url, headers } = incoming;
    const passed = request({ host: behind.hostname, port: behind.port, method, path: url, headers });
    passed.once('response', (given) => {
      answer.writeHead(given.statusCode ?? 502, given.headers);
      given.pipe(answer);
    });
    passed.once('error', () => answer.destroy());
    incoming.pipe(passed);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  releases.add(`TLS before ${target}`, () => {
    server.closeAllConnections();
    server.close();
  });
  const url = new URL(target);
  url.protocol = 'https:';
  url.host = `localhost:${(server.address() as AddressInfo).port}`;
  return url;
}
