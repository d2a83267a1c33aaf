import { join } from 'node:path';
import { ensureJvmParts } from '../jvm/jvm-parts.mjs';
import { clickHousePart } from './clickhouse/clickhouse-part.ts';
import { postgresPassword } from './data-dir/postgres-password.ts';
import { choosePorts } from './data-dir/ports.ts';
import { kafkaPart } from './kafka/kafka-part.ts';
import { postgresPart } from './postgres/postgres-part.ts';
import { ServerPart } from './process/server-part.ts';
import { registryPart } from './registry/registry-part.ts';
import { loopbackUrls, type Servers, type ServersOptions } from './servers.ts';
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
  const password = postgresPassword(dataDir);
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
    urls: loopbackUrls(ports, password),
    byName: Object.fromEntries(
      names.map((name) => [name, new ServerPart(definitions[name], (pid) => onPid(name, pid))]),
    ),
  };
}
