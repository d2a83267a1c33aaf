export * from './acknowledged.ts';
export * from './client.ts';
export * from './topics.ts';
export * from './schema-registry.ts';
export * from './codec.ts';
export type { PublishedDecision, RecordedDecision } from './codec-decision.ts';
export type { Heartbeat, PeriodUsage, SnapshotStamp, UsageSnapshot } from './codec-snapshot.ts';
export type { Learned, WriterCacheOptions } from './codec-writers.ts';
export * from './consumer.ts';
