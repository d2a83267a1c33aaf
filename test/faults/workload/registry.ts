/** The tenants and metrics that the run counts for, as data: producers draw from them, the oracle judges by them. */

interface WorkloadTenant {
  readonly id: string;
  readonly parent: string | null;
}

export interface WorkloadMetric {
  readonly name: string;
  readonly unit: string;
  readonly aggregation: 'sum' | 'count' | 'max' | 'min' | 'latest';
  readonly scale: number;
  readonly groupBy: readonly string[];
}

/** Spread over many keys, and so over all partitions: the same id can be counted by two workers at once. */
export const GIANT_TENANT = 'globex';

export const TENANTS: readonly WorkloadTenant[] = [
  { id: GIANT_TENANT, parent: null },
  { id: 'globex-eu', parent: GIANT_TENANT },
  { id: 'globex-us', parent: GIANT_TENANT },
  { id: 'acme', parent: null },
  { id: 'acme-search', parent: 'acme' },
  { id: 'acme-ads', parent: 'acme' },
  { id: 'acme-ads-eu', parent: 'acme-ads' },
  { id: 'initech', parent: null },
  { id: 'initech-labs', parent: 'initech' },
  { id: 'umbrella', parent: null },
  { id: 'umbrella-gpu', parent: 'umbrella' },
  { id: 'hooli', parent: null },
];

export const METRICS: readonly WorkloadMetric[] = [
  { name: 'llm.input_tokens', unit: 'token', aggregation: 'sum', scale: 0, groupBy: ['model'] },
  { name: 'gpu.seconds', unit: 'second', aggregation: 'sum', scale: 9, groupBy: [] },
  { name: 'api.calls', unit: 'call', aggregation: 'count', scale: 0, groupBy: ['route', 'status'] },
  { name: 'storage.peak', unit: 'byte', aggregation: 'max', scale: 3, groupBy: ['region'] },
  { name: 'latency.floor', unit: 'ms', aggregation: 'min', scale: 9, groupBy: [] },
  { name: 'seats', unit: 'seat', aggregation: 'latest', scale: 0, groupBy: ['plan'] },
];

/** Sent from the beginning, registered while the run goes on: its first events wait in quarantine and are replayed. */
export const LATE_METRIC: WorkloadMetric = {
  name: 'batch.jobs',
  unit: 'job',
  aggregation: 'sum',
  scale: 2,
  groupBy: ['queue'],
};

export const METRICS_BY_NAME: ReadonlyMap<string, WorkloadMetric> = new Map(
  [...METRICS, LATE_METRIC].map((metric) => [metric.name, metric]),
);
