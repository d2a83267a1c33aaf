/** Where the four stores are: flags, then a data folder that was named, then variables, then the default folder. */
import { z } from 'zod';
import { CommandError, UsageError } from '../exit.ts';

export type StoreName = 'kafka' | 'schemaRegistry' | 'postgres' | 'clickhouse';

/** What the command line and the environment say about it. */
export interface EndpointChoices {
  /** URLs given as options, by store. */
  readonly flags: Readonly<Partial<Record<StoreName, string>>>;
  /** `--data-dir`, when given. */
  readonly dataDir: string | null;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const DEFAULT_DATA_DIR = '.meterhouse';

const STORE_VARIABLES: Readonly<Record<StoreName, string>> = {
  kafka: 'KAFKA_BROKERS',
  schemaRegistry: 'SCHEMA_REGISTRY_URL',
  postgres: 'DATABASE_URL',
  clickhouse: 'CLICKHOUSE_URL',
};

export const STORE_LABELS: Readonly<Record<StoreName, string>> = {
  kafka: 'Kafka',
  schemaRegistry: 'the schema registry',
  postgres: 'Postgres',
  clickhouse: 'ClickHouse',
};

const STORES = Object.keys(STORE_VARIABLES) as readonly StoreName[];

/** A service of ours that a running stack's folder names. */
export interface ServiceEndpoint {
  readonly name: string;
  /** http://host:port of its metrics and health. */
  readonly url: string;
  /** As it was last started; null: not known. */
  readonly pid: number | null;
}

export interface EndpointSource {
  /** @throws CommandError that says how the store can be named */
  urlOf(store: StoreName): string;
  /** The variables that say how to sign in there; none where a folder's stack is used, which asks for nothing. */
  readonly access: Readonly<Record<string, string | undefined>>;
  /** None where the stores are named by variables. Read anew each time: what is started again has another pid. */
  services(): readonly ServiceEndpoint[];
}

/**
 * @param readFile gives a file's text, or null where there is none
 *
 * Variables and a default folder are never mixed: half of one system and half of another would be
 * compared without anybody noticing.
 */
export function resolveEndpoints(
  choices: EndpointChoices,
  readFile: (path: string) => string | null,
): EndpointSource {
  const given = choices.dataDir === null ? fromVariables(choices.env) : null;
  const dataDir = choices.dataDir ?? (given === null ? DEFAULT_DATA_DIR : null);
  let fromFile: Partial<Record<StoreName, string>> | null = null;
  return {
    access:
      choices.dataDir === null && (given !== null || choices.flags.kafka !== undefined) ? choices.env : {},
    urlOf(store) {
      const flag = choices.flags[store];
      if (flag !== undefined) return flag;
      if (dataDir !== null) fromFile ??= readEndpoints(dataDir, readFile);
      const url = (given ?? fromFile)?.[store];
      if (url !== undefined) return url;
      throw new CommandError(
        `where ${STORE_LABELS[store]} is was not said: ${STORE_VARIABLES[store]} is not set, other stores' variables are`,
        `set ${STORE_VARIABLES[store]}, or name a running stack's folder with --data-dir`,
      );
    },
    services: () => (dataDir === null ? [] : readServices(dataDir, readFile)),
  };
}

function readServices(
  dataDir: string,
  readFile: (path: string) => string | null,
): readonly ServiceEndpoint[] {
  const path = `${dataDir}/endpoints.json`;
  const text = readFile(path);
  if (text === null) return [];
  const parsed = SERVICES.safeParse(parseJson(path, text));
  if (!parsed.success)
    throw new CommandError(`${path} does not say where services are`, 'start the stack again', parsed.error);
  const { metrics, pids } = parsed.data;
  return Object.entries(metrics).map(([name, url]) => ({ name, url, pid: pids[name] ?? null }));
}

/** Written by older releases too, which knew of no metrics. */
const SERVICES = z.object({
  metrics: z.record(z.string(), z.url()).default({}),
  pids: z.record(z.string(), z.int().positive()).default({}),
});

function fromVariables(
  env: Readonly<Record<string, string | undefined>>,
): Partial<Record<StoreName, string>> | null {
  const urls: Partial<Record<StoreName, string>> = {};
  for (const store of STORES) {
    const value = env[STORE_VARIABLES[store]];
    if (value !== undefined && value !== '') urls[store] = value;
  }
  return Object.keys(urls).length === 0 ? null : urls;
}

function readEndpoints(
  dataDir: string,
  readFile: (path: string) => string | null,
): Partial<Record<StoreName, string>> {
  const path = `${dataDir}/endpoints.json`;
  const text = readFile(path);
  if (text === null)
    throw new CommandError(
      `no stack runs in ${dataDir}: ${path} is not there`,
      'start one with "npm start", name its folder with --data-dir, or set KAFKA_BROKERS, SCHEMA_REGISTRY_URL, DATABASE_URL and CLICKHOUSE_URL',
    );
  const parsed: unknown = parseJson(path, text);
  const urls: Partial<Record<StoreName, string>> = {};
  if (typeof parsed === 'object' && parsed !== null)
    for (const store of STORES) {
      const url: unknown = (parsed as Record<string, unknown>)[store];
      if (typeof url === 'string') urls[store] = url;
    }
  if (Object.keys(urls).length < STORES.length)
    throw new CommandError(`${path} does not name all of ${STORES.join(', ')}`, 'start the stack again');
  return urls;
}

function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CommandError(`${path} is not JSON`, 'start the stack again', error);
  }
}

/** `host:port,host:port` as a list. */
export function brokerList(text: string): readonly string[] {
  const brokers = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  if (brokers.length === 0) throw new UsageError(`KAFKA_BROKERS: ${JSON.stringify(text)} names no broker`);
  return brokers;
}

/** A URL without its user, password and parameters, for messages. */
export function withoutSecrets(url: string): string {
  const parsed = /^[a-z]+:\/\//i.test(url) ? URL.parse(url) : null;
  if (parsed === null) return url.includes('@') ? '(an address with a password)' : url;
  parsed.username = '';
  parsed.password = '';
  parsed.search = '';
  return parsed.href;
}
