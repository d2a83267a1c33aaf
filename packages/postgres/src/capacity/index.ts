export {
  RESERVATION_STATES,
  type CapacityAnswer,
  type ConfirmAnswer,
  type Grant,
  type NoCapacity,
  type ReleaseAnswer,
  type RenewAnswer,
  type ReservationState,
  type ReserveAnswer,
} from './answers.ts';
export { keepLease, LeaseLostError, type Lease, type LeaseEnd, type LeaseOptions } from './lease.ts';
export {
  confirm,
  release,
  renew,
  reserve,
  type ConfirmRequest,
  type ReleaseRequest,
  type RenewRequest,
  type ReserveRequest,
} from './operations.ts';
export { applyPools, readPools, type AppliedPool, type CapacityPool, type PoolStanding } from './pools.ts';
export { CAPACITY_LIMITS, CapacityRequestError } from './requests.ts';
export {
  listReservations,
  readReservationHistory,
  type Reservation,
  type ReservationEvent,
  type ReservationFilter,
} from './reservations.ts';
export { sweepReservations, type SweepBounds, type Swept } from './sweep.ts';
