/** How every part of the system connects to Kafka. */
import type { ConnectionOptions } from 'node:tls';
import { Kafka, logLevel, Partitioners, type KafkaConfig, type LogEntry } from 'kafkajs';
import type { Logger } from 'pino';

interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** How to sign in where the broker asks for it. */
export type KafkaLogin =
  | ({ readonly mechanism: 'plain' } & Credentials)
  | ({ readonly mechanism: 'scram-sha-256' } & Credentials)
  | ({ readonly mechanism: 'scram-sha-512' } & Credentials);

/** TLS with certificates of one's own; all of them are PEM texts. */
export interface KafkaTls {
  /** Who has to have signed the brokers' certificates; without it, whom Node trusts. */
  readonly ca?: string;
  /** What to show to brokers that ask for a certificate. */
  readonly cert?: string;
  readonly key?: string;
}

export interface KafkaConnection {
  /** `host:port` of some brokers; the others are learned from them. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly logger: Logger;
  /** Certificates and names of brokers are always checked. */
  readonly tls?: boolean | KafkaTls;
  readonly login?: KafkaLogin;
  readonly retry?: KafkaRetry;
  /** How long a broker may take to answer one request. */
  readonly requestTimeoutMs?: number;
  /** How long a connection may take to be there; default 3,000. */
  readonly connectTimeoutMs?: number;
}

/** kafkajs' own retries of one call; what still fails after them is the caller's to decide. */
export interface KafkaRetry {
  readonly retries: number;
  readonly initialRetryTime: number;
  readonly maxRetryTime: number;
}

const DEFAULT_RETRY: KafkaRetry = { retries: 8, initialRetryTime: 100, maxRetryTime: 5_000 };

/** A kafkajs client; it connects when a producer, consumer or admin of it does. */
export function createKafka(connection: KafkaConnection): Kafka {
  const config: KafkaConfig = {
    brokers: [...connection.brokers],
    clientId: connection.clientId,
    connectionTimeout: connection.connectTimeoutMs ?? 3_000,
    requestTimeout: connection.requestTimeoutMs ?? 30_000,
    retry: { ...(connection.retry ?? DEFAULT_RETRY) },
    logLevel: kafkaLogLevel(connection.logger),
    logCreator: () => (entry) => {
      logEntry(connection.logger, entry);
    },
  };
  if (connection.tls !== undefined && connection.tls !== false) config.ssl = tlsOptions(connection.tls);
  // A copy: kafkajs adds to what it is given, and the caller has more to do with its own.
  if (connection.login !== undefined) config.sasl = { ...connection.login };
  return new Kafka(config);
}

/** Older versions than 1.2 are never spoken. */
function tlsOptions(tls: true | KafkaTls): ConnectionOptions {
  return { minVersion: 'TLSv1.2', ...(tls === true ? {} : tls) };
}

/** Keys go to the partition that the Java client would choose too, so producers can be mixed. */
export const createPartitioner = Partitioners.DefaultPartitioner;

/** kafkajs builds its log entries before it asks whether they are wanted: don't let it. */
function kafkaLogLevel(logger: Logger): logLevel {
  if (logger.isLevelEnabled('trace')) return logLevel.DEBUG;
  if (logger.isLevelEnabled('debug')) return logLevel.INFO;
  if (logger.isLevelEnabled('info')) return logLevel.WARN;
  return logLevel.ERROR;
}

/**
 * One level below kafkajs' own word: what it calls an error it mostly retries. Where it gives up,
 * the call rejects and its caller logs the error.
 */
function logEntry(logger: Logger, entry: LogEntry): void {
  const { message, timestamp: _, logger: __, stack: ___, ...details } = entry.log;
  const fields = { kafkajs: entry.namespace, ...details };
  switch (entry.level) {
    case logLevel.ERROR:
      logger.warn(fields, message);
      return;
    case logLevel.WARN:
      logger.info(fields, message);
      return;
    case logLevel.INFO:
      logger.debug(fields, message);
      return;
    case logLevel.DEBUG:
      logger.trace(fields, message);
      return;
    case logLevel.NOTHING:
      return;
  }
}
