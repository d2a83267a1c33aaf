export { postgresCapacity, type CapacityPort, type CapacityWish, type ReservedCapacity } from './capacity.ts';
export { DecisionPublisher, type DecisionPublisherOptions, type DecisionSink } from './decision-sink.ts';
export { createGate, type Admission, type Gate, type GateObserver, type GateOptions } from './gate.ts';
export { httpAnswer, type HttpAnswer, type Problem } from './http/answer.ts';
export { placeLost, type RouteGuard } from './http/guard.ts';
export { DeniedError, recordUsage, withQuota, type UsageSink } from './with-quota.ts';
export type { RatePort } from './shared-limits.ts';
export type { StrictStatus } from './strict-quotas.ts';
export type { GateStatus } from './taking.ts';
