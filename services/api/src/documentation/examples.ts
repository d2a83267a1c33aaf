/**
 * Examples of requests, by operation, and their answers in the OpenAPI document. Each was run against a real
 * API, which is where the answers come from (`npm run examples:record`); a test runs them again.
 */
import { deciding, events, usage } from './usage-examples.ts';
import { keys, operating, webhooks } from './operating-examples.ts';
import { registry } from './registry-examples.ts';
import answers from './answers.generated.json' with { type: 'json' };

export interface RequestExample {
  /** Names it in the document: parameters, body and answer of one name belong together. */
  readonly name: string;
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Of the body; JSON by default. */
  readonly type?: string;
  readonly body?: unknown;
  readonly status: 200 | 201 | 202 | 204;
}

export type Examples = Readonly<Record<string, readonly RequestExample[]>>;

/** A request that needs nothing but its address. */
const ADDRESS: readonly RequestExample[] = [{ name: 'example', status: 200 }];

export const EXAMPLES: Examples = {
  getHealth: ADDRESS,
  getReadiness: ADDRESS,
  getOpenApi: ADDRESS,
  ...usage,
  ...deciding,
  ...events,
  ...registry,
  ...keys,
  ...operating,
  ...webhooks,
};

const ANSWERS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = answers;

interface Parameter {
  readonly in: 'path' | 'query' | 'header';
  readonly name: string;
  examples?: Record<string, { value: unknown }>;
}

interface Content {
  examples?: Record<string, { value: unknown }>;
}

interface Operation {
  readonly operationId?: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Record<string, Content> };
  readonly responses: Record<string, { readonly content?: Record<string, Content> }>;
}

/** @param document OpenAPI, which gets the examples */
export function withExamples<D extends { readonly paths?: unknown }>(document: D): D {
  const paths = (document.paths ?? {}) as Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  for (const methods of Object.values(paths))
    for (const operation of Object.values(methods))
      for (const example of EXAMPLES[operation.operationId ?? ''] ?? []) addExample(operation, example);
  return document;
}

function addExample(operation: Operation, example: RequestExample): void {
  const { name, params, query, headers, status } = example;
  const of = { path: params, query, header: headers };
  for (const parameter of operation.parameters ?? []) {
    const value = of[parameter.in]?.[parameter.name];
    if (value !== undefined) (parameter.examples ??= {})[name] = { value };
  }
  const body = operation.requestBody?.content[example.type ?? 'application/json'];
  if (body !== undefined && example.body !== undefined)
    (body.examples ??= {})[name] = { value: example.body };
  const answer = ANSWERS[operation.operationId ?? '']?.[name];
  const content = operation.responses[status]?.content?.['application/json'];
  if (content !== undefined && answer !== undefined) (content.examples ??= {})[name] = { value: answer };
}
