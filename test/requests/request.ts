/** A request for an operation: its address, query, headers and body, as values that can still be changed. */
import type { Json } from './samples.ts';
import { sampleOf, type SampleChoices } from './samples.ts';
import type { Operation, Operations } from './operations.ts';

export interface RequestParts {
  readonly operation: Operation;
  readonly path: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, readonly string[]>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: { readonly type: string; readonly value: Json } | null;
}

export function requestFor(
  operation: Operation,
  operations: Operations,
  choices: SampleChoices,
): RequestParts {
  const { random, optional } = choices;
  const texts = (place: 'path' | 'query' | 'header'): Record<string, string[]> =>
    Object.fromEntries(
      operation.parameters
        .filter((one) => one.in === place && (one.required || place === 'path' || random.chance(optional)))
        .map(({ name, schema }) => [
          name,
          listOf(sampleOf(schema, name, operation, operations, choices)).map(String),
        ]),
    );
  const single = (lists: Record<string, string[]>): Record<string, string> =>
    Object.fromEntries(Object.entries(lists).map(([name, [text = '']]) => [name, text]));
  const forms = Object.entries(operation.bodies);
  const form = forms.length === 0 ? undefined : random.pick(forms);
  return {
    operation,
    path: single(texts('path')),
    query: texts('query'),
    headers: single(texts('header')),
    body:
      form === undefined
        ? null
        : { type: form[0], value: sampleOf(form[1], 'body', operation, operations, choices) },
  };
}

function listOf(value: Json): Json[] {
  return Array.isArray(value) ? value : [value];
}

export interface WireRequest {
  /** With its query. */
  readonly address: string;
  readonly init: {
    readonly method: string;
    readonly headers: Record<string, string>;
    readonly body?: string;
  };
}

export function onTheWire({ operation, path, query, headers, body }: RequestParts): WireRequest {
  const address = operation.path.replaceAll(/\{([^}]+)\}/g, (_whole, name: string) =>
    encodeURIComponent((path[name] ?? '').toWellFormed()),
  );
  const search = new URLSearchParams(
    Object.entries(query).flatMap(([name, texts]) =>
      texts.map((text): [string, string] => [name, text.toWellFormed()]),
    ),
  ).toString();
  const method = operation.method;
  return {
    address: search === '' ? address : `${address}?${search}`,
    init:
      body === null
        ? { method, headers: { ...headers } }
        : {
            method,
            headers: { ...headers, 'content-type': body.type },
            // A line for each event, or the value as it is.
            body: typeof body.value === 'string' ? body.value : JSON.stringify(body.value),
          },
  };
}
