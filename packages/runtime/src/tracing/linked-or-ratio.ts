import { TraceFlags, type Attributes, type Context, type Link, type SpanKind } from '@opentelemetry/api';
import {
  SamplingDecision,
  TraceIdRatioBasedSampler,
  type Sampler,
  type SamplingResult,
} from '@opentelemetry/sdk-trace';

/**
 * What goes back to traces that are kept is kept, so that none of them ends at the first batch; of the
 * rest, a share. By the share alone, a request and the batch that its event is counted in would be kept
 * independently of each other.
 */
export class LinkedOrRatio implements Sampler {
  readonly #ratio: TraceIdRatioBasedSampler;

  constructor(ratio: number) {
    this.#ratio = new TraceIdRatioBasedSampler(ratio);
  }

  shouldSample(
    parent: Context,
    traceId: string,
    _name: string,
    _kind: SpanKind,
    _attributes: Attributes,
    links: Link[],
  ): SamplingResult {
    const isLinked = links.some(({ context }) => (context.traceFlags & TraceFlags.SAMPLED) !== 0);
    return isLinked
      ? { decision: SamplingDecision.RECORD_AND_SAMPLED }
      : this.#ratio.shouldSample(parent, traceId);
  }

  toString(): string {
    return `LinkedOr{${this.#ratio.toString()}}`;
  }
}
