export type {
  AcceptedRecord,
  Batch,
  Committed,
  Failpoint,
  FlushCounts,
  FlushResult,
  FlushStep,
  RecordOrigin,
  RefusedRecord,
  SettledRecords,
} from './batch.ts';
export { FLUSH_STEPS } from './batch.ts';
export { flush } from './flush.ts';
export {
  DIRECT_LANES,
  DIRECT_SOURCE,
  ensureDirectLanes,
  flushDirect,
  settle,
  UnsettledError,
  type DirectBatch,
  type DirectFlush,
  type DirectResult,
  type Settled,
  type Unsettled,
} from './direct.ts';
export {
  advanceProcessedThrough,
  ensureProgress,
  haltIfLost,
  readProgress,
  type PartitionProgress,
} from './progress.ts';
export {
  DEDUP_PERIOD_MS,
  dedupPeriod,
  dropPeriodsBefore,
  ensurePeriods,
  livePeriods,
} from './seen-events.ts';
export { readReplayRequests, type ReplayRequest } from './quarantine.ts';
