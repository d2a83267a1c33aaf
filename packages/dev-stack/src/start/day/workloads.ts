/** Who uses what, how much of it, and at what time of day. Names are those of demo-registry.yaml. */
import type { SeededRandom } from './seeded-random.ts';

/** What one piece of work used. Its event gets its time and id from the day. */
export interface Usage {
  readonly metric: string;
  readonly unit: string;
  /** Decimal string. */
  readonly value: string;
  readonly attrs: Readonly<Record<string, string>>;
}

export interface Workload {
  readonly tenantId: string;
  /** Share of the day's work relative to the others. */
  readonly weight: number;
  /** UTC hour at which it is busiest. */
  readonly peakHour: number;
  /** What a piece of work uses, all at one instant. */
  readonly work: (random: SeededRandom) => readonly Usage[];
}

/** Work at the quietest hour as a share of the busiest. */
const NIGHT_SHARE = 0.12;

/** How busy a workload is at an instant, from NIGHT_SHARE to 1. */
export function busyness(workload: Workload, ts: number): number {
  const hour = (ts / 3_600_000) % 24;
  const wave = (1 + Math.cos(((hour - workload.peakHour) / 24) * 2 * Math.PI)) / 2;
  return NIGHT_SHARE + (1 - NIGHT_SHARE) * wave * wave;
}

/** A chat turn: a call of our API, tokens in and tokens out. */
function chat(models: readonly string[], contextTokens: number): Workload['work'] {
  return (random) => {
    const attrs = { model: random.pick(models) };
    return [
      { metric: 'api.calls', unit: 'call', value: '1', attrs: { route: '/v1/chat' } },
      tokens('llm.input_tokens', random.skewed(contextTokens, 2.5), attrs),
      tokens('llm.output_tokens', random.skewed(180, 2.2), attrs),
    ];
  };
}

function tokens(metric: string, value: number, attrs: Readonly<Record<string, string>>): Usage {
  return { metric, unit: 'token', value: String(value), attrs };
}

function apiCalls(routes: readonly string[]): Workload['work'] {
  return (random) => [
    { metric: 'api.calls', unit: 'call', value: '1', attrs: { route: random.pick(routes) } },
  ];
}

/** A finished job: its GPU time in millionths of an hour, written out exactly. */
function gpuJobs(gpu: string, medianSeconds: number): Workload['work'] {
  return (random) => {
    const millionths = Math.round((random.skewed(medianSeconds, 3) * 1_000_000) / 3600);
    const value = `${Math.floor(millionths / 1_000_000)}.${String(millionths % 1_000_000).padStart(6, '0')}`;
    return [{ metric: 'gpu.hours', unit: 'hour', value, attrs: { gpu } }];
  };
}

function storedBytes(gibibytes: number): Workload['work'] {
  return (random) => [
    {
      metric: 'storage.bytes',
      unit: 'byte',
      value: String(gibibytes * 1024 ** 3 + random.between(0, 1024 ** 3)),
      attrs: {},
    },
  ];
}

function seats(from: number, to: number): Workload['work'] {
  return (random) => [{ metric: 'seats', unit: 'seat', value: String(random.between(from, to)), attrs: {} }];
}

export const WORKLOADS: readonly Workload[] = [
  { tenantId: 'acme', weight: 0.4, peakHour: 15, work: seats(410, 440) },
  { tenantId: 'acme-support', weight: 9, peakHour: 16, work: chat(['small-3', 'large-3'], 1_400) },
  { tenantId: 'acme-language', weight: 5, peakHour: 14, work: chat(['large-3'], 3_800) },
  { tenantId: 'acme-language', weight: 1.2, peakHour: 21, work: gpuJobs('h200', 900) },
  { tenantId: 'acme-vision', weight: 3, peakHour: 22, work: gpuJobs('l40s', 240) },
  { tenantId: 'acme-vision', weight: 0.6, peakHour: 14, work: storedBytes(38) },
  { tenantId: 'acme-research', weight: 0.4, peakHour: 13, work: storedBytes(9) },
  { tenantId: 'globex', weight: 0.3, peakHour: 9, work: seats(1_150, 1_190) },
  { tenantId: 'globex-routing', weight: 12, peakHour: 8, work: apiCalls(['/v1/route', '/v1/matrix']) },
  { tenantId: 'globex-routing', weight: 1, peakHour: 6, work: gpuJobs('l40s', 60) },
  { tenantId: 'globex-tracking', weight: 14, peakHour: 10, work: apiCalls(['/v1/position']) },
  { tenantId: 'globex-tracking', weight: 0.6, peakHour: 10, work: storedBytes(64) },
  { tenantId: 'lumen', weight: 0.3, peakHour: 19, work: seats(86, 92) },
  { tenantId: 'lumen-imaging', weight: 2.5, peakHour: 19, work: gpuJobs('h200', 45) },
  { tenantId: 'lumen-imaging', weight: 0.6, peakHour: 19, work: storedBytes(87) },
  { tenantId: 'lumen-records', weight: 4, peakHour: 18, work: chat(['small-3'], 2_200) },
  { tenantId: 'studio-nord', weight: 1.5, peakHour: 12, work: chat(['small-3'], 700) },
  { tenantId: 'studio-nord', weight: 0.2, peakHour: 12, work: seats(6, 9) },
];
