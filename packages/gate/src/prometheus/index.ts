export {
  decisionInstruments,
  gateInstruments,
  observeDecisionPublisher,
  observeStrictQuotas,
  type GateInstrumentsBounds,
} from './gate-instruments.ts';
export { DECISION_PUBLISHER_METRICS, GATE_METRICS, STRICT_METRICS } from './metrics.ts';
