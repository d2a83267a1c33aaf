export type { MeterCounters } from './counters.ts';
export { MeterError, type MeterErrorCode, type RefusalReason } from './errors.ts';
export { eventInputShape, eventJsonShape, type UsageEventInput } from './event-input.ts';
export type { KafkaTarget } from './kafka-transport.ts';
export {
  createMeter,
  type Meter,
  type MeterBounds,
  type MeterDestination,
  type MeterOptions,
  type MeterPorts,
} from './meter.ts';
export { isInputRefusal, normalizeEvent, type EventDefaults, type InputRefusal } from './normalize.ts';
export type { ImportOutcome, ImportTotals } from './record-many.ts';
export { TransportError, type Transport, type TransportProblem } from './transport.ts';
