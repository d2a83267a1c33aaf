export {
  startQuotaSnapshot,
  type QuotaSnapshotBounds,
  type QuotaSnapshotOptions,
  type QuotaSnapshotStatus,
  type QuotaSnapshotTimes,
  type RunningQuotaSnapshot,
} from './quota-snapshot.ts';
