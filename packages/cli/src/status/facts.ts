/** What one look at the whole system brings back. A part that does not answer says why; the others are there. */
import type { ClickHouseSchemaStand } from '@meterhouse/clickhouse';
import type { AuditHead } from '@meterhouse/postgres/access';
import type {
  CountingProgress,
  DecisionLogPartition,
  OpenQuarantine,
  SchemaStand,
  TailerLag,
  WebhooksStand,
} from '@meterhouse/postgres';
import type { LogRange } from '../lag/lag-report.ts';

/** An answer, and how long it took; or why there is none. */
export type Asked<T> =
  | { readonly answers: true; readonly tookMs: number; readonly value: T }
  | { readonly answers: false; readonly reason: string };

export interface KafkaFacts {
  readonly brokers: number;
  /** Of the topic of usage events; null: there is none. */
  readonly ranges: ReadonlyMap<number, LogRange> | null;
}

export interface RegistryFacts {
  /** Whether it holds the schema of usage events that this release writes. */
  readonly hasEventSchema: boolean;
}

export interface ClickHouseFacts {
  readonly version: string;
  readonly schema: ClickHouseSchemaStand;
}

export interface PostgresFacts {
  readonly schema: SchemaStand;
  /** Null when the schema is not this release's: then nothing is asked of it. */
  readonly system: SystemFacts | null;
}

/** All of it as of one instant. */
export interface SystemFacts {
  readonly progress: readonly CountingProgress[];
  readonly tailers: readonly TailerLag[];
  readonly quarantine: readonly OpenQuarantine[];
  readonly decisions: readonly DecisionLogPartition[];
  readonly webhooks: WebhooksStand;
  readonly audit: AuditHead;
  /** Connections by the name that their service gives itself. */
  readonly sessions: ReadonlyMap<string, number>;
  /** Whether one mirrors, and one publishes. */
  readonly leaders: { readonly mirror: boolean; readonly snapshots: boolean };
}

/** A service whose metrics port is known. */
export interface ServiceFacts {
  readonly name: string;
  readonly url: string;
  /** Whether the process that was started last is there; null: its pid is not known. */
  readonly running: boolean | null;
  readonly health: Asked<ServiceHealth>;
}

export interface ServiceHealth {
  /** What is stuck, with why. Empty: it moves. */
  readonly stuck: readonly string[];
  /** What is not ready, with why: without the required ones the service is not. */
  readonly waiting: readonly { readonly reason: string; readonly required: boolean }[];
  /** Of a publisher of snapshots that leads: seconds since the instant as of which all is published. */
  readonly snapshotAgeSeconds: number | null;
}

export interface StatusFacts {
  /** Epoch ms. */
  readonly at: number;
  readonly topic: string;
  readonly kafka: Asked<KafkaFacts>;
  readonly registry: Asked<RegistryFacts>;
  readonly postgres: Asked<PostgresFacts>;
  readonly clickhouse: Asked<ClickHouseFacts>;
  readonly services: readonly ServiceFacts[];
}
