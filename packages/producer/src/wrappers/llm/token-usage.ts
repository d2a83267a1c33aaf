/**
 * Tokens by kind from the usage objects of model APIs, told by their shape. The kinds are disjoint:
 * their sum is what was used, so nothing is counted twice.
 *
 *              in its input count                    in its output count
 *  OpenAI      cached and cache-written tokens        reasoning tokens
 *  Anthropic   neither; they stand beside             thinking tokens
 */

export interface TokenUsage {
  /** Input that was neither read from a cache nor written to one. */
  readonly input: number;
  readonly cachedInput: number;
  readonly cacheWrite: number;
  /** Output without reasoning. */
  readonly output: number;
  readonly reasoning: number;
}

export type UsageObject = Readonly<Record<string, unknown>>;

/**
 * A part that is said to be larger than its whole is cut to it, so that the sum stays the whole.
 * @returns null where it is no usage object, or its counts are no counts
 */
export function tokensOf(usage: UsageObject): TokenUsage | null {
  const input = numberAt(usage, 'prompt_tokens') ?? numberAt(usage, 'input_tokens');
  const output = numberAt(usage, 'completion_tokens') ?? numberAt(usage, 'output_tokens') ?? 0;
  if (input === null) return null;
  const inputDetails = objectAt(usage, 'prompt_tokens_details') ?? objectAt(usage, 'input_tokens_details');
  const outputDetails =
    objectAt(usage, 'completion_tokens_details') ?? objectAt(usage, 'output_tokens_details') ?? {};
  const reasoning =
    numberAt(outputDetails, 'reasoning_tokens') ?? numberAt(outputDetails, 'thinking_tokens') ?? 0;
  const thought = Math.min(reasoning, output);
  const tokens = {
    ...inputKinds(usage, input, inputDetails),
    output: output - thought,
    reasoning: thought,
  };
  return Object.values(tokens).every((count) => Number.isSafeInteger(count) && count >= 0) ? tokens : null;
}

function inputKinds(
  usage: UsageObject,
  input: number,
  details: UsageObject | null,
): Pick<TokenUsage, 'input' | 'cachedInput' | 'cacheWrite'> {
  if (details === null) {
    const cachedInput = numberAt(usage, 'cache_read_input_tokens') ?? 0;
    return { input, cachedInput, cacheWrite: numberAt(usage, 'cache_creation_input_tokens') ?? 0 };
  }
  const cachedInput = Math.min(numberAt(details, 'cached_tokens') ?? 0, input);
  const cacheWrite = Math.min(numberAt(details, 'cache_write_tokens') ?? 0, input - cachedInput);
  return { input: input - cachedInput - cacheWrite, cachedInput, cacheWrite };
}

/** What a response, or an item of a stream, says of usage, and of the model. */
export interface Said {
  readonly usage: UsageObject | null;
  readonly model: string | null;
  /** Whether the usage is that of the whole answer. */
  readonly final: boolean;
}

/** The places where the APIs put it: at the top, in the response of an event, in the message of an event. */
export function saidBy(item: unknown): Said {
  if (!isObject(item)) return { usage: null, model: null, final: false };
  const inner = objectAt(item, 'response') ?? objectAt(item, 'message') ?? item;
  const usage = objectAt(item, 'usage') ?? objectAt(inner, 'usage');
  const model = inner['model'] ?? item['model'];
  return {
    usage,
    model: typeof model === 'string' ? model : null,
    // Anthropic begins with what the input was, and says the output at the end.
    final: usage !== null && item['type'] !== 'message_start',
  };
}

/** Counts in a stream are totals so far: a later one stands for those before, field by field. */
export function merged(before: UsageObject | null, later: UsageObject): UsageObject {
  const said = Object.entries(later).filter(([, value]) => value !== null && value !== undefined);
  return { ...before, ...Object.fromEntries(said) };
}

function isObject(value: unknown): value is UsageObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function objectAt(of: UsageObject, name: string): UsageObject | null {
  const value = of[name];
  return isObject(value) ? value : null;
}

function numberAt(of: UsageObject, name: string): number | null {
  const value = of[name];
  return typeof value === 'number' ? value : null;
}
