/**
 * `const embed = metered(embedTexts, { meter, usage })`: a function or method that does what the given
 * one does, and whose usage is metered.
 */
import { currentTenant, withTenant } from '../../tenant-context.ts';
import { addSafely, ask, createProblems, type ProblemCounts, type Problems } from '../problems.ts';
import type { WrapperOptions } from '../port.ts';
import type { UsageEventInput } from '../../event-input.ts';
import type { CallCount, CallEnd } from './call-count.ts';
import { followResult } from './follow-result.ts';

export type { CallEnd } from './call-count.ts';

type AnyFunction = (this: never, ...args: never) => unknown;

/** What comes out of it one by one: of a generator, an async generator, a Node or a web stream; else the result. */
export type ItemOf<Result> =
  Awaited<Result> extends ReadableStream<infer Item>
    ? Item
    : Awaited<Result> extends AsyncIterable<infer Item>
      ? Item
      : Awaited<Result> extends Generator<infer Item>
        ? Item
        : Awaited<Result>;

export interface MeteredCall<Args, Result> {
  readonly args: Args;
  /** Undefined where it threw before it had one. */
  readonly result: Awaited<Result> | undefined;
  readonly end: CallEnd;
  /** Items that were delivered; 1 for a result that is not a sequence, 0 where there is none. */
  readonly items: number;
  /** The sum of `amountOf` over the items that were delivered. */
  readonly amount: bigint;
}

export interface MeteredOptions<Fn extends AnyFunction> extends WrapperOptions {
  /**
   * What the call used; null for nothing. Without a `tenantId` it is that of the context of the call. Asked once, when the call is over: for a sequence when its
   * last item was delivered, or its consumer stopped, or it threw.
   */
  readonly usage: (
    call: MeteredCall<Parameters<Fn>, ReturnType<Fn>>,
  ) => UsageEventInput | readonly UsageEventInput[] | null;
  /** The amount of one item, a whole number: its tokens, its bytes. Default 1. */
  readonly amountOf?: (item: ItemOf<ReturnType<Fn>>) => number | bigint;
}

/** `this`, arguments, results and errors are those of the function; so are its name and length. */
export function metered<Fn extends AnyFunction>(
  fn: Fn,
  options: MeteredOptions<Fn>,
): Fn & { readonly problems: () => ProblemCounts } {
  const problems = createProblems(fn.name === '' ? 'metered' : fn.name, options);
  const wrapped = function (this: unknown, ...args: unknown[]): unknown {
    const call = followCall(args as Parameters<Fn>, options, problems);
    let result: unknown;
    try {
      result = Reflect.apply(fn, this, args);
    } catch (error) {
      call.ended('threw', undefined);
      throw error;
    }
    return followResult(result, call);
  };
  Object.defineProperties(wrapped, {
    name: { value: fn.name, configurable: true },
    length: { value: fn.length, configurable: true },
    problems: { value: () => problems.counts() },
  });
  return wrapped as unknown as Fn & { readonly problems: () => ProblemCounts };
}

function followCall<Fn extends AnyFunction>(
  args: Parameters<Fn>,
  options: MeteredOptions<Fn>,
  problems: Problems,
): CallCount {
  let items = 0;
  let amount = 0n;
  let open = true;
  const { amountOf } = options;
  // Of the call: its items may be taken in anybody's context.
  const context = currentTenant();
  const add = (event: UsageEventInput): void => void addSafely(options.meter, event, problems);
  return {
    delivered: (item) => {
      items += 1;
      amount +=
        amountOf === undefined
          ? 1n
          : (ask('amountOf', () => BigInt(amountOf(item as ItemOf<ReturnType<Fn>>)), problems) ?? 0n);
    },
    ended: (end, result) => {
      if (!open) return;
      open = false;
      const call = { args, result: result as Awaited<ReturnType<Fn>> | undefined, end, items, amount };
      const used = ask('usage', () => options.usage(call), problems);
      const events = used === null ? [] : [used].flat();
      if (context === undefined) events.forEach(add);
      else withTenant(context, () => events.forEach(add));
    },
  };
}
