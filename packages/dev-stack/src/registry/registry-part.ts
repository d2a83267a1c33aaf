import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ServerDefinition } from '../process/server-part.ts';
import { answersOk } from '../process/answers-ok.ts';
import { superuser } from '../postgres/postgres-part.ts';

export interface RegistryPartOptions {
  port: number;
  /** The unpacked Apicurio archive. */
  installDir: string;
  postgres: { port: number; password: string };
  logPath: string;
}

/** It answers a few requests a minute: a quick start is worth more than fast code. */
const registryJvm = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-XX:+ExitOnOutOfMemoryError'];

export function registryUrl(port: number): string {
  return `http://127.0.0.1:${port}/apis/ccompat/v7`;
}

/** Apicurio Registry, in its Confluent-compatible form. */
export function registryPart({ port, installDir, postgres, logPath }: RegistryPartOptions): ServerDefinition {
  return {
    label: 'Schema registry',
    logPath,
    startTimeoutMs: 180_000,
    stop: { signal: 'SIGTERM', timeoutMs: 15_000 },
    prepare: () => Promise.resolve(),
    command: () => ({
      file: 'java',
      args: ['-Xmx192m', ...registryJvm, '-jar', runnerJar(installDir)],
      env: {
        QUARKUS_HTTP_HOST: '127.0.0.1',
        QUARKUS_HTTP_PORT: String(port),
        ...registryEnvironment({ host: '127.0.0.1', ...postgres }),
      },
      whenOrphaned: { signal: 'KILL', graceSeconds: 0 },
    }),
    ready: () => answersOk(`${registryUrl(port)}/subjects`),
  };
}

/** The schemas are kept in Postgres: in its own store, in memory, a restart would hand out the ids again. */
export function registryEnvironment(postgres: {
  host: string;
  port: number;
  password: string;
}): Record<string, string> {
  return {
    APICURIO_STORAGE_KIND: 'sql',
    APICURIO_STORAGE_SQL_KIND: 'postgresql',
    APICURIO_DATASOURCE_URL: `jdbc:postgresql://${postgres.host}:${postgres.port}/registry`,
    APICURIO_DATASOURCE_USERNAME: superuser,
    APICURIO_DATASOURCE_PASSWORD: postgres.password,
    // Its 20 connections would stand idle, and those that a restarted Postgres has cut would fail each once.
    APICURIO_DATASOURCE_JDBC_INITIAL_SIZE: '2',
    APICURIO_DATASOURCE_JDBC_MIN_SIZE: '1',
    APICURIO_DATASOURCE_JDBC_MAX_SIZE: '10',
    QUARKUS_DATASOURCE_POSTGRESQL_JDBC_VALIDATE_ON_BORROW: 'true',
  };
}

function runnerJar(installDir: string): string {
  const name = readdirSync(installDir).find((file) => file.endsWith('-runner.jar'));
  if (name === undefined) throw new Error(`No registry in ${installDir}`);
  return join(installDir, name);
}
