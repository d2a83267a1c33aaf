/** Turns traces on where the configuration says where they go. Until then nothing of OpenTelemetry's SDK is loaded. */
import type { z } from 'zod';
import type { processVariables } from '../config.ts';
import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { BeginSpan } from './span.ts';

export interface Traces {
  readonly beginSpan: BeginSpan;
  /** Delivers what waits, as far as that is possible within the deadline. Never rejects. */
  close(deadlineMs: number): Promise<void>;
}

type Settings = Pick<
  z.infer<z.ZodObject<typeof processVariables>>,
  'OTEL_EXPORTER_OTLP_ENDPOINT' | 'OTEL_EXPORTER_OTLP_HEADERS' | 'OTEL_TRACES_SAMPLER_ARG'
>;

/** @returns null where traces are off */
export async function openTraces(
  service: string,
  settings: Settings,
  tools: { readonly logger: Logger; readonly metrics: Metrics },
): Promise<Traces | null> {
  const endpoint = settings.OTEL_EXPORTER_OTLP_ENDPOINT;
  if (endpoint === undefined) return null;
  const { startTraces } = await import('./opentelemetry.ts');
  return startTraces({
    service: `meterhouse-${service}`,
    url: `${endpoint.replace(/\/+$/, '')}/v1/traces`,
    headers: settings.OTEL_EXPORTER_OTLP_HEADERS ?? {},
    ratio: settings.OTEL_TRACES_SAMPLER_ARG,
    ...tools,
  });
}
