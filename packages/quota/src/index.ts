export type { Actor, PolicyEngine, PolicyQuestion, PolicyVerdict } from './policy-port.ts';
export {
  keyOf,
  SnapshotTable,
  type LimitMode,
  type Now,
  type SnapshotMessage,
  type SnapshotReading,
  type SnapshotTableBounds,
  type UnknownReason,
} from './snapshot-table.ts';
