export { clickHouseErrorCode, createClickHouse, type CallOptions, type ClickHouse } from './client.ts';
export {
  compareMirror,
  type CompareOptions,
  type ComparisonSource,
  type MirrorComparison,
} from './compare-mirror.ts';
export type { Difference } from './comparison.ts';
export {
  ClickHouseNewerError,
  migrateClickHouse,
  readClickHouseSchema,
  type ClickHouseSchemaStand,
} from './migrations.ts';
export {
  forgetMirrorProgress,
  insertMirrorProgress,
  readMirrorProgress,
  type MirrorPosition,
  type MirrorStep,
} from './mirror-progress.ts';
export {
  rebuildClickHouse,
  type HeldLog,
  type LogStep,
  type RebuildOptions,
  type RebuildProgress,
  type RebuildSource,
} from './rebuild.ts';
export { insertBuckets, mirrorBucketsByKey, mirrorPages } from './usage-hourly.ts';
export { highestRevisions, type MirrorKey, type MirroredBucket } from './usage-hourly-row.ts';
