export type { Actor, PolicyEngine, PolicyQuestion, PolicyVerdict } from './policy-port.ts';
export {
  keyOf,
  SnapshotTable,
  type Now,
  type SnapshotMessage,
  type SnapshotReading,
  type SnapshotTableBounds,
  type UnknownReason,
  UsageKey,
} from './snapshot-table.ts';
export * from './registry/documents.ts';
export { PolicySet, type PolicyView } from './registry/policy-set.ts';
export { Policies, DEFAULT_MAX_AGE_MS, type TenantPolicy } from './decision/policies.ts';
export {
  decide,
  type CapacityFact,
  type Facts,
  type PlacesFact,
  type RateFact,
  type StrictFact,
  type UsageView,
} from './decision/decide.ts';
export { REASONS, type Decision, type Outcome, type QuotaCheck, type Reason } from './decision/decision.ts';
export { InvalidQuestionError, toRequest, type Question } from './decision/question.ts';
export {
  showCeiling,
  showDecision,
  type ShownCeiling,
  type ShownDecision,
} from './decision/shown-decision.ts';
export type { DecisionRequest, RequestedUsage } from './decision/request.ts';
export { PendingUsage, type Held, type PendingView } from './decision/pending-usage.ts';
export { ceilingsOf, type Ceiling, type Ceilings, type LiftedCeiling } from './decision/ceilings.ts';
export {
  Backtest,
  TooManyFindingsError,
  type BacktestOptions,
  type CeilingFinding,
  type Effect,
  type HourUsage,
  type UsageBefore,
  type Verdict,
} from './backtest/backtest.ts';
export {
  planChanges,
  type ChangePlan,
  type DocumentChange,
  type PlanEntry,
  type PlannedChange,
  type RefusedPlan,
  type WantedDocument,
} from './registry/change-plan.ts';
export { overrideId } from './registry/override-id.ts';
export { RegistryState } from './registry/registry-state.ts';
export { differences } from './registry/differences.ts';
export { periodsOf, perPeriod } from './registry/billing.ts';
export { placeOf, type Place } from './registry/lineage.ts';
export { Boundaries } from './registry/validity.ts';
export {
  accessRule,
  ACCESS_RULE_BOUNDS,
  type AccessCondition,
  type AccessRule,
} from './registry/access-rule.ts';
export { ceilingsMet } from './decision/ceilings-met.ts';
export {
  ALL_PPM,
  recordDecision,
  replayDecision,
  type DecisionRecord,
  type Difference,
  type Replay,
} from './decision/decision-record.ts';
export { parseDecisionRecord, UnreadableRecordError } from './decision/stored-record.ts';
export { explain, type ExplainedStep } from './decision/explain.ts';
export { explainKept, UnrepeatableDecisionError, type KeptExplanation } from './decision/explain-kept.ts';
