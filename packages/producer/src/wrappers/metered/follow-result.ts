/** Follows what a function returned to its end, whatever form it has, without changing it for the caller. */
import { Readable } from 'node:stream';
import type { CallCount } from './call-count.ts';

export function followResult(result: unknown, call: CallCount): unknown {
  if (isThenable(result)) return followPromise(result, call);
  if (result instanceof Readable) return followNodeStream(result, call);
  if (result instanceof ReadableStream) return followWebStream(result, call);
  if (isGenerator(result, Symbol.asyncIterator)) return followIterator(result, call);
  if (isGenerator(result, Symbol.iterator)) return followIterator(result, call);
  if (isAsyncIterable(result)) return followIterable(result, call);
  call.delivered(result);
  call.ended('returned', result);
  return result;
}

/**
 * A promise of the same kind, as SDKs return promises that can do more. Those begin to read their body
 * when they are awaited: so it is followed then, and not before.
 */
function followPromise(promise: PromiseLike<unknown>, call: CallCount): PromiseLike<unknown> {
  let followed: PromiseLike<unknown> | undefined;
  const follow = (): PromiseLike<unknown> =>
    (followed ??= promise.then((value) => followResult(value, call), rethrow(call)));
  if (promise instanceof Promise && Object.getPrototypeOf(promise) === Promise.prototype) return follow();
  return new Proxy(promise, {
    get: (target, name) => {
      const from: object = name === 'then' || name === 'catch' || name === 'finally' ? follow() : target;
      const value: unknown = Reflect.get(from, name, from);
      return typeof value === 'function' ? (value.bind(from) as unknown) : value;
    },
  });
}

function rethrow(call: CallCount): (error: unknown) => never {
  return (error) => {
    call.ended('threw', undefined);
    throw error;
  };
}

type AnyIterator = Iterator<unknown, unknown, unknown> | AsyncIterator<unknown, unknown, unknown>;

/** Generators, and what behaves as they do: `next`, and itself as its iterator. */
function isGenerator(
  result: unknown,
  kind: typeof Symbol.iterator | typeof Symbol.asyncIterator,
): result is AnyIterator {
  if (typeof result !== 'object' || result === null || !('next' in result) || !(kind in result)) return false;
  return typeof result.next === 'function';
}

/** Answers as the generator does; `next`, `return` and `throw` go through it, and tell what was delivered. */
function followIterator(iterator: AnyIterator, call: CallCount): AnyIterator {
  const take = (
    step: IteratorResult<unknown, unknown>,
    stopping: boolean,
  ): IteratorResult<unknown, unknown> => {
    if (step.done !== true) call.delivered(step.value);
    else call.ended(stopping ? 'stopped' : 'returned', step.value);
    return step;
  };
  const drive =
    (name: 'next' | 'return' | 'throw') =>
    (...args: unknown[]) => {
      try {
        const step: unknown = Reflect.apply(
          Reflect.get(iterator, name) as (...of: unknown[]) => unknown,
          iterator,
          args,
        );
        if (!isThenable(step)) return take(step as IteratorResult<unknown, unknown>, name === 'return');
        return step.then(
          (settled) => take(settled as IteratorResult<unknown, unknown>, name === 'return'),
          rethrow(call),
        );
      } catch (error) {
        call.ended('threw', undefined);
        throw error;
      }
    };
  const driven = new Map<string | symbol, unknown>();
  for (const name of ['next', 'return', 'throw'] as const)
    if (typeof Reflect.get(iterator, name) === 'function') driven.set(name, drive(name));
  const followed: AnyIterator = new Proxy(iterator, {
    get: (target, name) => {
      const own = driven.get(name);
      if (own !== undefined) return own;
      if (name === Symbol.iterator || name === Symbol.asyncIterator)
        return name in target ? () => followed : undefined;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  return followed;
}

/** Whatever reads a Node stream, each chunk passes `emit('data')` once; mode and back-pressure stay the caller's. */
function followNodeStream(stream: Readable, call: CallCount): Readable {
  const emit = stream.emit.bind(stream) as (...args: unknown[]) => boolean;
  stream.emit = (name: string | symbol, ...args: unknown[]) => {
    if (name === 'data') call.delivered(args[0]);
    return emit(name, ...args);
  };
  stream.once('end', () => {
    call.ended('returned', stream);
  });
  stream.once('close', () => {
    // Leaving a loop over a stream aborts it.
    const stopped = stream.errored === null || stream.errored.name === 'AbortError';
    call.ended(stopped ? 'stopped' : 'threw', stream);
  });
  return stream;
}

/** What can be iterated and more, as the streams of SDKs. Each iteration is followed. */
function followIterable(iterable: AsyncIterable<unknown>, call: CallCount): AsyncIterable<unknown> {
  return new Proxy(iterable, {
    get: (target, name) => {
      if (name === Symbol.asyncIterator) return () => followIterator(target[Symbol.asyncIterator](), call);
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

/** A stream in front of it that asks only when it is asked: high water mark 0. */
function followWebStream(stream: ReadableStream<unknown>, call: CallCount): ReadableStream<unknown> {
  const reader = stream.getReader();
  return new ReadableStream<unknown>(
    {
      pull: async (controller) => {
        try {
          const step = await reader.read();
          if (step.done) {
            call.ended('returned', stream);
            controller.close();
          } else {
            call.delivered(step.value);
            controller.enqueue(step.value);
          }
        } catch (error) {
          call.ended('threw', stream);
          controller.error(error);
        }
      },
      cancel: async (reason) => {
        call.ended('stopped', stream);
        await reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
