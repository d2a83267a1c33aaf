/** What the processes of a fault run say to each other. */
import type { Strike } from '../plan/fault.ts';

export interface StackUrls {
  readonly kafka: string;
  readonly schemaRegistry: string;
  readonly postgres: string;
  readonly clickhouse: string;
}

/** Names of the system under test. The stack is the run's own, so they are the ones used in production. */
export interface SystemNames {
  readonly topic: string;
  readonly partitions: number;
  readonly groupId: string;
  readonly clickhouseDatabase: string;
}

export interface WorkerConfig {
  readonly kind: 'start';
  readonly urls: StackUrls;
  readonly names: SystemNames;
  /** Stands in `application_name` of every session of this process. */
  readonly applicationName: string;
  readonly seed: string;
}

export type ToWorker =
  WorkerConfig | { readonly kind: 'arm'; readonly strike: Strike } | { readonly kind: 'disarm' };

export type FromWorker = { readonly kind: 'counting' } | { readonly kind: 'struck'; readonly strike: Strike };

export interface ProducerConfig {
  readonly kind: 'start';
  readonly urls: StackUrls;
  readonly names: SystemNames;
  readonly seed: string;
  readonly producer: number;
  /** Epoch ms at which the run began: event times lie around it. */
  readonly startedAt: number;
  /** Distinct events to be acknowledged before this producer may finish. */
  readonly events: number;
  readonly perSecond: number;
  readonly oraclePort: number;
}

export type ToProducer =
  | ProducerConfig
  /** Sends that many events once more, as fast as it can. */
  | { readonly kind: 'flood'; readonly events: number }
  | { readonly kind: 'finish' };

export interface ProducerTotals {
  /** Distinct events that the broker has acknowledged. */
  readonly acknowledged: number;
  /** Events sent again on purpose, and acknowledged. */
  readonly duplicates: number;
  /** Sends that failed and were repeated. */
  readonly retries: number;
}

export type FromProducer =
  | ({ readonly kind: 'status' } & ProducerTotals)
  | { readonly kind: 'flooded'; readonly events: number }
  | ({ readonly kind: 'finished' } & ProducerTotals);

export interface OracleConfig {
  readonly kind: 'start';
  readonly urls: StackUrls;
  readonly names: SystemNames;
}

export type ToOracle = OracleConfig | { readonly kind: 'judge' };

export interface Judgement {
  /** Distinct events that producers reported as acknowledged. */
  readonly events: number;
  /** … of which must be in quarantine. */
  readonly bad: number;
  readonly buckets: number;
  /** Neither counted nor in quarantine. */
  readonly lost: number;
  /** Counted more than once, or counted and in quarantine as well. */
  readonly double: number;
  /** In the wrong place: counted though bad, quarantined though good or for another reason, or never acknowledged to anyone. */
  readonly misplaced: number;
  /** Hour buckets of Postgres that differ in any column. */
  readonly mismatchedBuckets: number;
  /** Day buckets of the view usage_daily that differ. */
  readonly mismatchedDays: number;
  /** Hour buckets of ClickHouse that differ. */
  readonly mismatchedMirror: number;
  /** Probes of the watermark, and events that it had promised and that were not there. */
  readonly watermarkProbes: number;
  readonly watermarkLies: number;
  /** The first of what is wrong, in words. */
  readonly findings: readonly string[];
}

export type FromOracle =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'judged'; readonly judgement: Judgement }
  | { readonly kind: 'failed'; readonly reason: string };
