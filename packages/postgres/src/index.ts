export { errorCode, isRetryable } from './errors.ts';
export {
  DatabaseNewerError,
  DatabaseOlderError,
  migratePostgres,
  requireCurrentSchema,
  schemaMayCome,
} from './migrations.ts';
export { createClient, createPool, type Db, type Pool, type PoolClient, type Role } from './pool.ts';
export { loadRegistry, readMetrics } from './registry.ts';
export { readLineage } from './tenant-lineage.ts';
export { inTransaction } from './transaction.ts';
export {
  cursorKey,
  cursorsOf,
  readAfter,
  readProgress,
  type ChangeBatch,
  type Cursor,
  type Cursors,
  type PartitionPosition,
  type Progress,
  type ReadBounds,
  type ReadResult,
  type ResyncReason,
} from './change-log-reading.ts';
export { beginPassingOn, type FlushTrace } from './flush-trace.ts';
export { attrsKeyOf, parseChanges, type ChangedBucket } from './change-log-reading-row.ts';
export {
  startTailer,
  type Tailer,
  type TailerLog,
  type TailerOptions,
  type TailerState,
  type TailerStatus,
} from './tailer.ts';
export {
  atOnePoint,
  bucketPages,
  bucketsByKey,
  type BucketFilter,
  type BucketKey,
  type ConsistentPoint,
} from './tailer-buckets.ts';
export {
  holdLogFromHere,
  moveTailer,
  readTailer,
  registerTailer,
  requestResync,
  type TailerMove,
  type TailerStand,
} from './tailer-cursors.ts';
export { pruneChangeLog, type PruneResult } from './tailer-pruning.ts';
export {
  CLICKHOUSE_MIRROR,
  mirrorComparisonSource,
  mirrorRebuildSource,
  partitionsBelow,
  releaseDeadRebuild,
  type HeldChangeLog,
  type MirrorComparisonSource,
  type MirrorRebuildSource,
} from './tailer-rebuilding.ts';
export { tryLock, waitForLock, type SessionLock } from './tailer-session-lock.ts';
export {
  CHANGE_LOG_CHANNEL,
  listenTo,
  listenToChangeLog,
  OUTBOX_CHANNEL,
  type Wakeups,
} from './tailer-wakeups.ts';
export {
  readCountingProgress,
  readResumptions,
  readTailerLag,
  resumePartition,
  type CountingProgress,
  type HaltedPartition,
  type Resumption,
  type ResumedRange,
  type TailerLag,
} from './lag-queries.ts';
export {
  countQuarantine,
  countQuarantineByTenant,
  countQuarantinedBetween,
  discardQuarantined,
  listQuarantine,
  QUARANTINE_STATUSES,
  readQuarantineCase,
  readReplayOutcomes,
  requestReplay,
  type QuarantineCase,
  type QuarantineCount,
  type QuarantinedEvent,
  type QuarantineFilter,
  type QuarantineHistoryEntry,
  type QuarantineStatus,
  type ReplayOutcomes,
} from './quarantine-desk.ts';
export {
  changeRegistry,
  changeRegistryWithin,
  countedMetrics,
  type ChangeOptions,
  type RegistryNow,
} from './registry-apply.ts';
export { listDocuments, readDocument, type ListedDocument } from './registry-pages.ts';
export {
  countAttributeSets,
  countOpenQuarantine,
  type AttributeSets,
  type OpenQuarantine,
} from './observation-queries.ts';
export {
  readDecisionLogPartitions,
  readLeaders,
  readSchemaStand,
  readSessions,
  readWebhooksStand,
  type DecisionLogPartition,
  type SchemaStand,
  type WebhooksStand,
} from './status-queries.ts';
export { hourlyUsage } from './hourly-usage.ts';
export { usageBefore, type PartedAt, type UsageBefore } from './parted-usage.ts';
export {
  readRegistryAudit,
  registryAt,
  registryChangesSince,
  RegistryVersionError,
  type AuditedChange,
  type ChangeAuthor,
  type RegistryChange,
  type StoredDocument,
} from './registry-changes.ts';
export * from './usage/index.ts';
export {
  readProducerReports,
  saveProducerReport,
  type ProducerTotal,
  type ProducerTotals,
} from './producer-reports.ts';
export {
  visitReconciliationPoint,
  type PointVisitor,
  type QuarantinedDelivery,
  type ReconciliationPoint,
} from './reconciliation-point.ts';
