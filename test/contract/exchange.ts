/** One example of the document, sent to the API as it stands there. */
import type { ApiDocument, Examples, Operation } from './document.ts';
import { MADE, type World } from './world.ts';

export interface Exchange {
  readonly operationId: string;
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
  readonly name: string;
  /** Media type of the body; null: there is none. */
  readonly type: string | null;
  /** That the example is documented with, and the media type and value of the answer where it has one. */
  readonly status: number;
  readonly answer: unknown;
}

export interface Answered {
  readonly status: number;
  readonly body: unknown;
}

/** In an order in which each finds what it needs: what takes away comes last. */
export function exchangesOf(document: ApiDocument): Exchange[] {
  const all = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, operation]) =>
      namesOf(operation).map((name) => exchangeFor(path, method, operation, name)),
    ),
  );
  const last = ({ method }: Exchange): number => (method === 'delete' ? 1 : 0);
  return all.toSorted((a, b) => last(a) - last(b));
}

/** Of all examples; an operation that takes nothing has one without a name in its request. */
function namesOf({ parameters = [], requestBody, responses }: Operation): string[] {
  const holders = [
    ...parameters,
    ...Object.values(requestBody?.content ?? {}),
    ...Object.values(responses).flatMap(({ content = {} }) => Object.values(content)),
  ];
  return [...new Set(holders.flatMap(({ examples = {} }) => Object.keys(examples)))];
}

export function exchangeFor(path: string, method: string, operation: Operation, name: string): Exchange {
  const body = Object.entries(operation.requestBody?.content ?? {}).find(([, { examples }]) =>
    has(examples, name),
  );
  const answers = Object.entries(operation.responses).filter(([status]) => status.startsWith('2'));
  const documented = answers.find(([, { content = {} }]) =>
    Object.values(content).some(({ examples }) => has(examples, name)),
  );
  const [status, response] = documented ?? answers[0] ?? [];
  const { operationId } = operation;
  return {
    ...{ operationId, method, path, operation, name },
    type: body?.[0] ?? null,
    status: Number(status),
    answer: response?.content?.['application/json']?.examples?.[name]?.value,
  };
}

const has = (examples: Examples | undefined, name: string): boolean => examples?.[name] !== undefined;

export async function send(world: World, exchange: Exchange): Promise<Answered> {
  const { operation, name, type, method, operationId } = exchange;
  const given = (place: 'path' | 'query' | 'header') =>
    (operation.parameters ?? []).flatMap((parameter) => {
      const value = parameter.in === place ? parameter.examples?.[name]?.value : undefined;
      return value === undefined ? [] : [[parameter.name, value as string] as const];
    });
  let path = exchange.path;
  for (const [key, value] of given('path')) path = path.replace(`{${key}}`, encodeURIComponent(value));
  const query = new URLSearchParams(Object.fromEntries(given('query')));
  const value = type === null ? undefined : operation.requestBody?.content[type]?.examples?.[name]?.value;
  world.nextIds = MADE[operationId] === undefined ? [] : [MADE[operationId]];
  const { roles } = operation['x-access'];
  const bearer = roles.length === 0 ? null : roles.includes('tenant_admin') ? 'tenant' : 'platform';
  const response = await world.api.call(bearer, query.size === 0 ? path : `${path}?${query.toString()}`, {
    method: method.toUpperCase(),
    headers: {
      'x-correlation-id': 'example-1',
      ...Object.fromEntries(given('header')),
      ...(type === null ? {} : { 'content-type': type }),
    },
    body: value === undefined ? null : typeof value === 'string' ? value : JSON.stringify(value),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? undefined : (JSON.parse(text) as unknown) };
}
