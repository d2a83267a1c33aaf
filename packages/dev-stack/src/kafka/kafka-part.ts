import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../process/run.ts';
import type { ServerDefinition } from '../process/server-part.ts';
import { coordinatorsReady } from './coordinators-ready.ts';
import { newClusterId } from './cluster-id.ts';
import { serverProperties } from './server-properties.ts';

export interface KafkaPartOptions {
  dir: string;
  port: number;
  controllerPort: number;
  classPath: string;
  logPath: string;
  /** What the broker is told beyond that, such as a second listener. */
  settings?: Readonly<Record<string, string>>;
  /** Who may sign in, for listeners that ask; kept from the first start on. */
  users?: readonly KafkaUser[];
}

export interface KafkaUser {
  readonly mechanism: 'SCRAM-SHA-256' | 'SCRAM-SHA-512';
  readonly name: string;
  readonly password: string;
}

const loggingConfiguration = fileURLToPath(new URL('log4j2.properties', import.meta.url));

export function kafkaPart(options: KafkaPartOptions): ServerDefinition {
  const { dir, port, classPath, logPath } = options;
  const propertiesPath = join(dir, 'server.properties');
  const java = ['-cp', classPath, `-Dlog4j2.configurationFile=${loggingConfiguration}`];
  return {
    label: 'Kafka',
    logPath,
    startTimeoutMs: 180_000,
    stop: { signal: 'SIGTERM', timeoutMs: 20_000 },
    prepare: async () => {
      mkdirSync(dir, { recursive: true });
      writeFileSync(
        propertiesPath,
        serverProperties(
          { ...options, listenHost: '127.0.0.1', dataDir: join(dir, 'data') },
          options.settings ?? {},
        ),
      );
      await format(join(dir, 'data'), propertiesPath, java, options.users ?? []);
    },
    command: () => ({
      file: 'java',
      args: ['-Xmx384m', '-XX:+ExitOnOutOfMemoryError', ...java, 'kafka.Kafka', propertiesPath],
      whenOrphaned: { signal: 'KILL', graceSeconds: 0 },
    }),
    ready: () => coordinatorsReady(`127.0.0.1:${port}`),
  };
}

/** A KRaft broker starts only on a formatted folder. */
async function format(
  dataDir: string,
  propertiesPath: string,
  java: readonly string[],
  users: readonly KafkaUser[],
): Promise<void> {
  if (existsSync(join(dataDir, 'meta.properties'))) return;
  // What a killed formatting left behind would be refused.
  rmSync(dataDir, { recursive: true, force: true });
  // The quickest compiler: this JVM lives for a second.
  const quick = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC'];
  const tool = [
    'kafka.tools.StorageTool',
    'format',
    '--cluster-id',
    newClusterId(),
    '--config',
    propertiesPath,
    ...users.flatMap(({ mechanism, name, password }) => [
      '--add-scram',
      `${mechanism}=[name=${name},password=${password}]`,
    ]),
  ];
  await run('java', [...quick, ...java, ...tool]);
}
