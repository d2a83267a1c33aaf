/** The four stores, opened when a command first asks for them and closed together at its end. */
import type { Admin, Kafka } from 'kafkajs';
import type { Logger } from 'pino';
import { clickHouseErrorCode, createClickHouse, type ClickHouse } from '@meterhouse/clickhouse';
import {
  configuredKafka,
  createKafka,
  createRegistry,
  requireKafka,
  type KafkaAccess,
  type KafkaConnection,
  type SchemaRegistry,
} from '@meterhouse/kafka';
import { createPool, errorCode, requireCurrentSchema, type Pool, type Role } from '@meterhouse/postgres';
import { ConfigError, kafkaVariables, parseConfig, Releases } from '@meterhouse/runtime';
import { CommandError } from '../exit.ts';
import {
  brokerList,
  STORE_LABELS,
  withoutSecrets,
  type EndpointSource,
  type ServiceEndpoint,
  type StoreName,
} from './endpoints.ts';

/** What things are called there. */
export interface StoreNames {
  readonly usageEventsTopic: string;
  readonly usageSnapshotsTopic: string;
  readonly clickhouseDatabase: string;
  /** Empty for one server. */
  readonly clickhouseCluster: string;
}

/** A person waits: give up on a broker that is away sooner than a service would. */
const KAFKA_RETRY = { retries: 2, initialRetryTime: 200, maxRetryTime: 1_000 };
const KAFKA_REQUEST_TIMEOUT_MS = 10_000;

export class Stores {
  readonly names: StoreNames;
  readonly #endpoints: EndpointSource;
  readonly #logger: Logger;
  readonly #releases = new Releases();
  readonly #pools = new Map<Role, Promise<Pool>>();
  #kafka: Promise<Kafka> | null = null;
  #admin: Promise<Admin> | null = null;
  #clickhouse: Promise<ClickHouse> | null = null;

  constructor(endpoints: EndpointSource, names: StoreNames, logger: Logger) {
    this.#endpoints = endpoints;
    this.names = names;
    this.#logger = logger;
  }

  urlOf(store: StoreName): string {
    return this.#endpoints.urlOf(store);
  }

  /**
   * The brokers, and how to sign in with them.
   * @throws ConfigError where the variables contradict each other, or a file of theirs cannot be used
   */
  kafkaAccess(): KafkaAccess {
    const brokers = brokerList(this.urlOf('kafka')).join(',');
    const variables = { ...this.#endpoints.access, KAFKA_BROKERS: brokers };
    return configuredKafka(parseConfig(kafkaVariables, variables));
  }

  services(): readonly ServiceEndpoint[] {
    return this.#endpoints.services();
  }

  get logger(): Logger {
    return this.#logger;
  }

  /** @throws CommandError when Postgres does not answer; DatabaseOlderError, DatabaseNewerError */
  postgres(role: Role): Promise<Pool> {
    const known = this.#pools.get(role);
    if (known !== undefined) return known;
    const opening = this.#openPostgres(role);
    this.#pools.set(role, opening);
    return opening;
  }

  async #openPostgres(role: Role): Promise<Pool> {
    const url = this.urlOf('postgres');
    await explainUnreachable('postgres', url, () => requireCurrentSchema(url));
    const pool = createPool({ url, role, applicationName: 'meterhouse-command', max: 4 });
    this.#releases.add('Postgres', () => pool.end());
    return pool;
  }

  /** @throws CommandError when Kafka does not answer; ConfigError when it refuses us */
  kafka(): Promise<Kafka> {
    this.#kafka ??= this.#openKafka();
    return this.#kafka;
  }

  async #openKafka(): Promise<Kafka> {
    const connection = this.#kafkaConnection();
    await explainUnreachable('kafka', connection.brokers.join(','), () => requireKafka(connection));
    return createKafka({ ...connection, retry: KAFKA_RETRY, requestTimeoutMs: KAFKA_REQUEST_TIMEOUT_MS });
  }

  #kafkaConnection(): KafkaConnection {
    return { ...this.kafkaAccess(), clientId: 'meterhouse-command', logger: this.#logger };
  }

  /** @throws CommandError when Kafka does not answer */
  kafkaAdmin(): Promise<Admin> {
    this.#admin ??= this.#openAdmin();
    return this.#admin;
  }

  async #openAdmin(): Promise<Admin> {
    const admin = (await this.kafka()).admin();
    await explainUnreachable('kafka', this.urlOf('kafka'), () => admin.connect());
    this.#releases.add('Kafka', () => admin.disconnect());
    return admin;
  }

  schemaRegistry(): SchemaRegistry {
    return createRegistry(this.urlOf('schemaRegistry'));
  }

  /** @throws CommandError when ClickHouse does not answer */
  clickhouse(): Promise<ClickHouse> {
    this.#clickhouse ??= this.#openClickHouse();
    return this.#clickhouse;
  }

  async #openClickHouse(): Promise<ClickHouse> {
    const url = this.urlOf('clickhouse');
    const clickhouse = createClickHouse(url, this.names.clickhouseDatabase, {
      cluster: this.names.clickhouseCluster,
    });
    this.#releases.add('ClickHouse', () => clickhouse.close());
    await explainUnreachable('clickhouse', url, async () => {
      const answer = await clickhouse.client.ping();
      if (!answer.success) throw answer.error;
    });
    return clickhouse;
  }

  close(): Promise<void> {
    return this.#releases.releaseAll();
  }
}

/** Connection errors name an address at best; here they name the store and what to do. */
export async function explainUnreachable<T>(
  store: StoreName,
  url: string,
  connect: () => Promise<T>,
): Promise<T> {
  try {
    return await connect();
  } catch (error) {
    if (!isConnectionFailure(store, error)) throw error;
    throw new CommandError(
      `${STORE_LABELS[store]} at ${withoutSecrets(url)} does not answer (${reasonOf(error)})`,
      'is it running, and is that its address? "npm start" starts a stack',
      error,
    );
  }
}

const CONNECTION_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);

function isConnectionFailure(store: StoreName, error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof ConfigError) return false;
  switch (store) {
    case 'postgres':
      return (
        CONNECTION_CODES.has(errorCode(error)) ||
        (error instanceof AggregateError && error.errors.some((one) => isConnectionFailure(store, one)))
      );
    case 'clickhouse':
      return clickHouseErrorCode(error) === null;
    case 'kafka':
    case 'schemaRegistry':
      return true;
  }
}

function reasonOf(error: unknown): string {
  const code = errorCode(error);
  if (code !== 'unknown') return code;
  if (error instanceof AggregateError) return reasonOf(error.errors[0]);
  return error instanceof Error ? error.message : String(error);
}
