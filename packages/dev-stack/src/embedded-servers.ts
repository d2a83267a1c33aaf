import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureJvmParts } from '../jvm/jvm-parts.mjs';
import { clickHousePart, clickHouseUrl } from './clickhouse/clickhouse-part.ts';
import { choosePorts } from './data-dir/ports.ts';
import { writeAtomically } from './data-dir/write-atomically.ts';
import { kafkaPart } from './kafka/kafka-part.ts';
import { postgresPart, postgresUrl } from './postgres/postgres-part.ts';
import { ServerPart } from './process/server-part.ts';
import { registryPart, registryUrl } from './registry/registry-part.ts';
import type { Servers, ServersOptions } from './servers.ts';
import { partNames, type PartName } from './stack.ts';

/** Kafka's controller has a port of its own, which no client uses. */
const portNames: readonly (PartName | 'kafkaController')[] = [...partNames, 'kafkaController'];

/** The real servers as child processes, all on loopback. */
export async function embeddedServers(options: ServersOptions): Promise<Servers> {
  const { dataDir, names, cacheDir, progress, onPid } = options;
  const needsJvm = names.includes('kafka') || names.includes('schemaRegistry');
  const [ports, jvm] = await Promise.all([
    choosePorts<PartName | 'kafkaController'>(dataDir, portNames, options.ports),
    needsJvm ? ensureJvmParts({ cacheDir, say: progress }) : { kafkaClassPath: '', registryDir: '' },
  ]);
  const password = ensurePassword(join(dataDir, 'postgres.password.txt'));
  const logPath = (name: PartName): string => join(dataDir, 'logs', `${name}.log`);

  const definitions = {
    postgres: postgresPart({
      dir: join(dataDir, 'postgres'),
      port: ports.postgres,
      password,
      logPath: logPath('postgres'),
    }),
    clickhouse: clickHousePart({
      dir: join(dataDir, 'clickhouse'),
      port: ports.clickhouse,
      logPath: logPath('clickhouse'),
    }),
    kafka: kafkaPart({
      dir: join(dataDir, 'kafka'),
      port: ports.kafka,
      controllerPort: ports.kafkaController,
      classPath: jvm.kafkaClassPath,
      logPath: logPath('kafka'),
    }),
    schemaRegistry: registryPart({
      port: ports.schemaRegistry,
      installDir: jvm.registryDir,
      postgres: { port: ports.postgres, password },
      logPath: logPath('schemaRegistry'),
    }),
  };
  return {
    urls: {
      kafka: `127.0.0.1:${ports.kafka}`,
      schemaRegistry: registryUrl(ports.schemaRegistry),
      postgres: postgresUrl(ports.postgres, password, 'meterhouse'),
      clickhouse: clickHouseUrl(ports.clickhouse),
    },
    byName: Object.fromEntries(
      names.map((name) => [name, new ServerPart(definitions[name], (pid) => onPid(name, pid))]),
    ),
  };
}

/** One for each data dir, made with it: any local user can reach a loopback port. */
function ensurePassword(path: string): string {
  if (existsSync(path)) return readFileSync(path, 'utf8').trim();
  const password = randomBytes(18).toString('base64url');
  writeAtomically(path, `${password}\n`);
  return password;
}
