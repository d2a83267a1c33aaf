/**
 * `const llm = createLlmUsage({ meter })`, then `llm.metered(call)` around a call of a model API, or
 * `llm.count(response)` for a response at hand. By the shape of the answers; knows no SDK.
 */
import { EVENT_LIMITS } from '@meterhouse/usage';
import { currentTenant, withTenant } from '../../tenant-context.ts';
import { followResult } from '../metered/follow-result.ts';
import { addSafely, ask, createProblems, type ProblemCounts } from '../problems.ts';
import type { WrapperOptions } from '../port.ts';
import { merged, saidBy, tokensOf, type TokenUsage, type UsageObject } from './token-usage.ts';

export { tokensOf, type TokenUsage, type UsageObject } from './token-usage.ts';

/** Under which metric each kind of token is sent; null leaves it out. Two kinds may share a metric: it gets their sum. */
export type LlmMetrics = Readonly<Record<keyof TokenUsage, string | null>>;

export const DEFAULT_LLM_METRICS: LlmMetrics = {
  input: 'llm.input_tokens',
  cachedInput: 'llm.cached_input_tokens',
  cacheWrite: 'llm.cache_write_tokens',
  output: 'llm.output_tokens',
  reasoning: 'llm.reasoning_tokens',
};

export interface LlmUsageOptions extends WrapperOptions {
  /** Default: the tenant of the context of the call. */
  readonly tenant?: () => string | null | undefined;
  readonly metrics?: Partial<LlmMetrics>;
  /** Besides `model`, which is what the answer calls it. */
  readonly attrs?: Readonly<Record<string, string>>;
  /** Distinct models that are told apart; default 200. */
  readonly maxModels?: number;
}

type AnyFunction = (this: never, ...args: never) => unknown;

export interface LlmUsage {
  /**
   * A function that does what the given one does. Counts when the answer is there, or the stream has
   * ended; of a stream that was left, what it had said by then, if anything (`no_usage` tells).
   */
  metered<Fn extends AnyFunction>(fn: Fn): Fn;
  /** Counts a whole response. */
  count(response: unknown): void;
  problems(): ProblemCounts;
}

const MAX_MODELS = 200;
const OTHER = '(other)';

export function createLlmUsage(options: LlmUsageOptions): LlmUsage {
  const problems = createProblems('llm', options);
  const metrics: LlmMetrics = { ...DEFAULT_LLM_METRICS, ...options.metrics };
  const models = new Set<string>();
  const modelName = (model: string | null): string => {
    const name = (model ?? '(none)')
      .slice(0, EVENT_LIMITS.attrValueLength)
      .toWellFormed()
      .replaceAll('\0', '');
    if (models.has(name)) return name;
    if (models.size >= (options.maxModels ?? MAX_MODELS)) return OTHER;
    models.add(name);
    return name;
  };
  const tenantNow = (): string | undefined => {
    const { tenant } = options;
    if (tenant === undefined) return currentTenant()?.tenantId;
    return ask('tenant', tenant, problems) ?? undefined;
  };

  const tell = (tenantId: string | undefined, usage: UsageObject, model: string | null): void => {
    const tokens = tokensOf(usage);
    if (tokens === null) problems.report('no_usage', 'a usage object without counts is not metered');
    else if (tenantId === undefined) problems.report('no_tenant', 'a call of nobody is not metered');
    else
      for (const [metric, value] of byMetric(tokens, metrics))
        addSafely(
          options.meter,
          { tenantId, metric, value, attrs: { ...options.attrs, model: modelName(model) } },
          problems,
        );
  };

  const followCall = (): { delivered: (item: unknown) => void; ended: (end: string) => void } => {
    const tenantId = tenantNow();
    const context = currentTenant();
    const inContext = (work: () => void): void => {
      if (context === undefined) work();
      else withTenant(context, work);
    };
    let usage: UsageObject | null = null;
    let model: string | null = null;
    let final = false;
    let items = 0;
    let open = true;
    return {
      delivered: (item) => {
        const said = saidBy(item);
        items += 1;
        if (said.usage !== null) usage = merged(usage, said.usage);
        model = said.model ?? model;
        final ||= said.final;
      },
      ended: () => {
        if (!open || items === 0) return; // it failed before it answered: nothing was used that we know of
        open = false;
        if (!final) problems.report('no_usage', 'an answer ended without its final usage');
        const known = usage;
        if (known !== null) inContext(() => void ask('usage', () => tell(tenantId, known, model), problems));
      },
    };
  };

  return {
    metered: (fn) => {
      const wrapped = function (this: unknown, ...args: unknown[]): unknown {
        const call = followCall();
        return followResult(Reflect.apply(fn, this, args), call);
      };
      return Object.defineProperties(wrapped, {
        name: { value: fn.name, configurable: true },
        length: { value: fn.length, configurable: true },
      }) as unknown as typeof fn;
    },
    count: (response) => {
      const call = followCall();
      call.delivered(response);
      call.ended('returned');
    },
    problems: () => problems.counts(),
  };
}

/** Kinds that nothing was used of are left out. */
function byMetric(tokens: TokenUsage, metrics: LlmMetrics): Map<string, number> {
  const sums = new Map<string, number>();
  for (const kind of ['input', 'cachedInput', 'cacheWrite', 'output', 'reasoning'] as const) {
    const metric = metrics[kind];
    if (metric !== null && tokens[kind] > 0) sums.set(metric, (sums.get(metric) ?? 0) + tokens[kind]);
  }
  return sums;
}
