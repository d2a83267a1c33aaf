/** What the HTTP API of Prometheus answers. */
import { z } from 'zod';

const labels = z.record(z.string(), z.string());
/** Seconds since 1970, and the value in Prometheus' own words: `NaN` and `+Inf` are values too. */
const point = z.tuple([z.number(), z.string()]);

const vector = z.object({
  resultType: z.literal('vector'),
  result: z.array(z.object({ metric: labels, value: point })),
});
const scalar = z.object({ resultType: z.literal('scalar'), result: point });
export const queryAnswer = z.object({ data: z.discriminatedUnion('resultType', [vector, scalar]) });

export const rangeAnswer = z.object({
  data: z.object({
    resultType: z.literal('matrix'),
    result: z.array(z.object({ metric: labels, values: z.array(point) })),
  }),
});

export const alertsAnswer = z.object({
  data: z.object({
    alerts: z.array(
      z.object({ labels, annotations: labels, state: z.enum(['pending', 'firing']), activeAt: z.string() }),
    ),
  }),
});

export const targetsAnswer = z.object({
  data: z.object({
    activeTargets: z.array(z.object({ labels, health: z.enum(['up', 'down', 'unknown']) })),
  }),
});

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  /** Seconds since 1970, and the value. */
  readonly values: readonly (readonly [number, number])[];
}

export type Alert = z.infer<typeof alertsAnswer>['data']['alerts'][number];

/** @returns `NaN`, `+Inf` and `-Inf` as JavaScript has them */
export function numberOf(text: string): number {
  return Number(text.replace('Inf', 'Infinity'));
}
