export { gateInstruments, observeDecisionPublisher, type GateInstrumentsBounds } from './gate-instruments.ts';
export { DECISION_PUBLISHER_METRICS, GATE_METRICS } from './metrics.ts';
