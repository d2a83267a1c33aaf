export { startAggregator, type AggregatorOptions } from './aggregator.ts';
export { DEFAULT_BOUNDS, DEFAULT_TIMES } from './configuration.ts';
