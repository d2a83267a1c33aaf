import { chmodSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Network } from 'testcontainers';
import { clickHouseUrl } from '../clickhouse/clickhouse-part.ts';
import { postgresPassword } from '../data-dir/postgres-password.ts';
import { choosePorts } from '../data-dir/ports.ts';
import { writeAtomically } from '../data-dir/write-atomically.ts';
import { newClusterId } from '../kafka/cluster-id.ts';
import { coordinatorsReady } from '../kafka/coordinators-ready.ts';
import { brokerSettings } from '../kafka/server-properties.ts';
import { durableSettings, ensureDatabases, serverFlags, superuser } from '../postgres/postgres-part.ts';
import { answersOk } from '../process/answers-ok.ts';
import { registryEnvironment, registryUrl } from '../registry/registry-part.ts';
import { loopbackUrls, type Servers, type ServersOptions } from '../servers.ts';
import { partNames, type PartName } from '../stack.ts';
import { ContainerPart, type ContainerDefinition } from './container-part.ts';
import { LoopbackContainer } from './loopback-container.ts';

const images: Readonly<Record<PartName, string>> = {
  kafka: 'apache/kafka:4.1.0',
  schemaRegistry: 'apicurio/apicurio-registry:3.0.9',
  postgres: 'postgres:18',
  clickhouse: 'clickhouse/clickhouse-server:25.8',
};

/** The same servers in containers, by Testcontainers, whose reaper removes them when this process is killed. */
export async function containerServers({
  dataDir,
  names,
  ports: wanted,
  onPid,
}: ServersOptions): Promise<Servers> {
  const ports = await choosePorts<PartName>(dataDir, partNames, wanted);
  const password = postgresPassword(dataDir);
  const network = await new Network().start();
  const container = (name: PartName): LoopbackContainer =>
    new LoopbackContainer(images[name]).withNetwork(network).withNetworkAliases(name);

  const definitions: Record<PartName, ContainerDefinition> = {
    postgres: postgresContainer(
      () => container('postgres'),
      ports.postgres,
      password,
      folder(dataDir, 'postgres'),
    ),
    clickhouse: clickHouseContainer(
      () => container('clickhouse'),
      ports.clickhouse,
      folder(dataDir, 'clickhouse'),
    ),
    kafka: kafkaContainer(
      () => container('kafka'),
      ports.kafka,
      folder(dataDir, 'kafka'),
      keptClusterId(dataDir),
    ),
    schemaRegistry: registryContainer(() => container('schemaRegistry'), ports.schemaRegistry, password),
  };
  const parts = names.map((name) => [name, new ContainerPart(definitions[name], (pid) => onPid(name, pid))]);
  return {
    urls: loopbackUrls(ports, password),
    byName: Object.fromEntries(parts) as Servers['byName'],
    close: async () => {
      await network.stop();
    },
  };
}

/** The image formats its folder at every start, and refuses a folder of another cluster. */
function keptClusterId(dataDir: string): string {
  const path = join(dataDir, 'kafka.cluster-id.txt');
  if (!existsSync(path)) writeAtomically(path, `${newClusterId()}\n`);
  return readFileSync(path, 'utf8').trim();
}

/** Each image has a user of its own, whom the folder must let in. */
function folder(dataDir: string, name: PartName): string {
  const path = join(dataDir, 'containers', name);
  mkdirSync(path, { recursive: true });
  chmodSync(path, 0o777);
  return path;
}

function postgresContainer(
  container: () => LoopbackContainer,
  port: number,
  password: string,
  source: string,
): ContainerDefinition {
  return {
    label: 'Postgres',
    stopTimeoutMs: 20_000,
    create: () =>
      container()
        .withLoopbackPort(5432, port)
        .withEnvironment({ POSTGRES_USER: superuser, POSTGRES_PASSWORD: password, POSTGRES_DB: 'meterhouse' })
        .withBindMounts([{ source, target: '/var/lib/postgresql' }])
        .withSharedMemorySize(256 * 1024 * 1024)
        .withCommand(['postgres', ...serverFlags(durableSettings)]),
    ready: () => ensureDatabases(port, password),
  };
}

function clickHouseContainer(
  container: () => LoopbackContainer,
  port: number,
  source: string,
): ContainerDefinition {
  return {
    label: 'ClickHouse',
    stopTimeoutMs: 15_000,
    create: () =>
      container()
        .withLoopbackPort(8123, port)
        // Without it the image lets the default user in from inside the container only.
        .withEnvironment({ CLICKHOUSE_SKIP_USER_SETUP: '1' })
        .withBindMounts([{ source, target: '/var/lib/clickhouse' }])
        .withUlimits({ nofile: { soft: 262_144, hard: 262_144 } }),
    ready: () => answersOk(`${clickHouseUrl(port)}/ping`),
  };
}

/** Inside it listens on the same number as outside: the broker also finds itself by its advertised address. */
function kafkaContainer(
  container: () => LoopbackContainer,
  port: number,
  source: string,
  clusterId: string,
): ContainerDefinition {
  const dataDir = '/var/lib/kafka/data';
  const controllerPort = port === 9093 ? 9094 : 9093;
  const settings = brokerSettings({ listenHost: '0.0.0.0', port, controllerPort, dataDir });
  const environment = Object.entries(settings).map(([name, value]) => [
    `KAFKA_${name.toUpperCase().replaceAll('.', '_')}`,
    String(value),
  ]);
  return {
    label: 'Kafka',
    stopTimeoutMs: 20_000,
    create: () =>
      container()
        .withLoopbackPort(port, port)
        .withEnvironment({
          ...(Object.fromEntries(environment) as Record<string, string>),
          CLUSTER_ID: clusterId,
          KAFKA_HEAP_OPTS: '-Xmx384m',
        })
        .withBindMounts([{ source, target: dataDir }]),
    ready: () => coordinatorsReady(`127.0.0.1:${port}`),
  };
}

function registryContainer(
  container: () => LoopbackContainer,
  port: number,
  password: string,
): ContainerDefinition {
  const postgres = { host: 'postgres', port: 5432, password };
  return {
    label: 'Schema registry',
    stopTimeoutMs: 15_000,
    create: () => container().withLoopbackPort(8080, port).withEnvironment(registryEnvironment(postgres)),
    ready: () => answersOk(`${registryUrl(port)}/subjects`),
  };
}
