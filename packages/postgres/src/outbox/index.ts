export {
  claimLanes,
  leaveOutbox,
  lockLane,
  OtherTargetError,
  OUTBOX_LANES,
  releaseLanes,
  type Claim,
  type Claimed,
  type HeldLane,
  type OutboxTarget,
} from './lanes.ts';
export { recordUsage, type QueryableTransaction, type Recorded } from './record.ts';
export { readLane, removeRows, setIdle, type OutboxRow } from './rows.ts';
export { readOutboxStand, type OutboxLaneStand, type OutboxStand } from './stand.ts';
