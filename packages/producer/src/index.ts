export {
  ReaderError,
  type Adapter,
  type Check,
  type ClassOf,
  type Guarantees,
  type OpenAdapter,
  type OpenReader,
  type Reader,
  type ReaderProblem,
  type ReadUsage,
  type Tools,
} from './adapter.ts';
export type { KafkaTarget } from './adapters/kafka/options.ts';
export { AskError, type AskErrorCode } from './answers/ask-error.ts';
export {
  CheckDenied,
  QuotaExceeded,
  type CheckAnswer,
  type CheckedQuestion,
  type CheckQuestion,
} from './check.ts';
export type { MeterBounds } from './configuration/bounds.ts';
export type { AdapterName, MeterConfiguration } from './configuration/schema.ts';
export type { MeterCounters } from './counters.ts';
export type { AnyConfiguration, Surroundings } from './configuration/parse.ts';
export { createMeter, type MeterParts } from './create-meter.ts';
export { MeterError, type MeterErrorCode, type RefusalReason } from './errors.ts';
export { eventJsonShape, type UsageEventInput } from './event-input.ts';
export type { Meter, MeterDescription, MeterPorts } from './meter.ts';
export { isInputRefusal, normalizeEvent, type EventDefaults, type InputRefusal } from './normalize.ts';
export { overTransport } from './own-adapter.ts';
export type { ImportOutcome, ImportTotals } from './record-many.ts';
export type { MetricAmount, SummableUsage } from './sums/summable.ts';
export { currentTenant, withTenant, type OpenContext, type TenantContext } from './tenant-context.ts';
export { TransportError, type Transport, type TransportProblem } from './transport.ts';
export type {
  AskedUsage,
  Usage,
  UsageAsOf,
  UsageOrigin,
  UsageQuestionInput,
  UsageReading,
} from './usage-question.ts';
