export { BoundedLabel, OTHER } from './bounded-label.ts';
export { counter, gauge, histogram, type MetricDefinition } from './definition.ts';
export { COMMON_METRICS, Metrics, OBSERVATION_METRICS, type Reading } from './metrics.ts';
export { observe, type Observation, type Observations } from './observations.ts';
