export { startAggregator, type AggregatorOptions } from './aggregator.ts';
