export { postgresCapacity, type CapacityPort, type CapacityWish, type ReservedCapacity } from './capacity.ts';
export { DecisionPublisher, type DecisionPublisherOptions, type DecisionSink } from './decision-sink.ts';
export { createGate, type Admission, type Gate, type GateObserver, type GateOptions } from './gate.ts';
export { httpAnswer, type HttpAnswer, type Problem } from './http/answer.ts';
export type { RouteGuard } from './http/guard.ts';
export { InvalidQuestionError, type Question } from './question.ts';
export { DeniedError, recordUsage, withQuota } from './with-quota.ts';
