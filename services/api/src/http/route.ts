/**
 * How a route is written: its access beside its address, and the zod schemas that check it are the
 * ones that document it.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import type { z } from 'zod';
import { authenticated, checkedCaller, checkRole, type Authenticate } from '../access/authorize.ts';
import type { Caller } from '../access/caller.ts';
import type { Access, Principal } from '../access/roles.ts';
import type { TenantTree } from '../access/tenant-tree.ts';
import { ApiProblem, PROBLEM_CODES, problemSchema, type ProblemCode } from './problem.ts';

/** Where the page to read stands; everything below it is its files. */
export const DOCUMENTATION_PATH = '/docs';

declare module 'fastify' {
  interface FastifyContextConfig {
    readonly access?: Access;
    readonly bodies?: Readonly<Record<string, z.ZodType>>;
  }
  interface FastifyRequest {
    /** Whose key or token it is; null on public routes. */
    principal: Principal | null;
    /** The principal and what it may reach here; null until that is checked. */
    caller: Caller | null;
  }
}

type Output<S extends z.ZodType | undefined> = S extends z.ZodType ? z.output<S> : undefined;

export interface RouteInput<
  P extends z.ZodType | undefined,
  Q extends z.ZodType | undefined,
  B extends z.ZodType | undefined,
> {
  readonly params: Output<P>;
  readonly query: Output<Q>;
  readonly body: Output<B>;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

interface RouteWords {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: string;
  /** Stable: names the operation in generated clients. */
  readonly operationId: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  readonly access: Access;
  /** What it answers with besides the problems that every route has. */
  readonly problems?: readonly ProblemCode[];
  /** Headers that it reads besides the usual; a loose object. */
  readonly headers?: z.ZodType;
  /** Forms of a body that the handler reads and checks itself, by media type: documented only. */
  readonly bodies?: Readonly<Record<string, z.ZodType>>;
  /** Answers with another status or shape, which the handler gives by `reply`. They replace the usual ones. */
  readonly moreAnswers?: Readonly<Record<number, { description: string; type: string; schema: z.ZodType }>>;
  /** Bytes of the body; the server's bound by default. */
  readonly bodyLimit?: number;
}

export interface RouteSpec<
  P extends z.ZodType | undefined,
  Q extends z.ZodType | undefined,
  B extends z.ZodType | undefined,
  R extends z.ZodType,
> extends RouteWords {
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  /** Schemas without transforms: what the handler returns is checked against them. */
  readonly answer: { readonly status: 200 | 201 | 202 | 204 | 207; readonly schema: R };
  /** May answer by `reply` itself, as for 304, and then returns the reply. */
  handle(input: RouteInput<P, Q, B>, caller: Caller): Promise<z.input<R> | FastifyReply>;
}

export interface PublicRouteSpec<Q extends z.ZodType | undefined, R extends z.ZodType> extends RouteWords {
  readonly query?: Q;
  readonly answer: { readonly status: 200; readonly schema: R };
  /** Other statuses that it answers with in the same shape. */
  readonly alsoStatus?: readonly number[];
  handle(input: RouteInput<undefined, Q, undefined>): Promise<z.input<R> | FastifyReply>;
}

/** A route for callers with a key or a token. */
export function addRoute<
  R extends z.ZodType,
  P extends z.ZodType | undefined = undefined,
  Q extends z.ZodType | undefined = undefined,
  B extends z.ZodType | undefined = undefined,
>(app: FastifyInstance, spec: RouteSpec<P, Q, B, R>): void {
  app.route({
    ...commonOptions(spec, { [spec.answer.status]: spec.answer.schema }),
    handler: async (request, reply) => {
      const { caller } = request;
      // Access was checked before; a route that gets here without must not run.
      if (caller === null) throw new ApiProblem('unauthenticated', 'Nobody is known to ask.');
      reply.code(spec.answer.status);
      return spec.handle(inputOf<P, Q, B>(request, reply), caller);
    },
  });
}

/** A route that anybody may ask. */
export function addPublicRoute<R extends z.ZodType, Q extends z.ZodType | undefined = undefined>(
  app: FastifyInstance,
  spec: PublicRouteSpec<Q, R>,
): void {
  const { schema } = spec.answer;
  const statuses = Object.fromEntries([200, ...(spec.alsoStatus ?? [])].map((status) => [status, schema]));
  app.route({
    ...commonOptions(spec, statuses),
    handler: (request, reply) => spec.handle(inputOf<undefined, Q, undefined>(request, reply)),
  });
}

function inputOf<
  P extends z.ZodType | undefined,
  Q extends z.ZodType | undefined,
  B extends z.ZodType | undefined,
>(request: FastifyRequest, reply: FastifyReply): RouteInput<P, Q, B> {
  // The validator has put the schemas' output there, or undefined where there is no schema.
  return {
    params: request.params as Output<P>,
    query: request.query as Output<Q>,
    body: request.body as Output<B>,
    request,
    reply,
  };
}

type Schemas = Partial<Record<'params' | 'query' | 'body', z.ZodType | undefined>>;

function commonOptions(
  spec: RouteWords & Schemas,
  answers: Readonly<Record<number, z.ZodType>>,
): Omit<RouteOptions, 'handler'> {
  return {
    method: spec.method,
    url: spec.url,
    config: { access: spec.access, ...(spec.bodies === undefined ? {} : { bodies: spec.bodies }) },
    ...(spec.bodyLimit === undefined ? {} : { bodyLimit: spec.bodyLimit }),
    schema: {
      operationId: spec.operationId,
      tags: [spec.tag],
      summary: spec.summary,
      ...(spec.description === undefined ? {} : { description: spec.description }),
      security: spec.access.kind === 'public' ? [] : [{ key: [] }],
      ...(spec.params === undefined ? {} : { params: spec.params }),
      ...(spec.query === undefined ? {} : { querystring: spec.query }),
      ...(spec.body === undefined ? {} : { body: spec.body }),
      ...(spec.headers === undefined ? {} : { headers: spec.headers }),
      response: { ...answers, ...problemAnswers(spec), ...moreAnswers(spec) },
    },
  };
}

const ALWAYS: readonly ProblemCode[] = ['invalid_request', 'rate_limited', 'internal', 'unavailable'];
const WITH_KEY: readonly ProblemCode[] = ['unauthenticated', 'forbidden'];

function problemAnswers({ access, problems = [] }: RouteWords): Record<number, unknown> {
  const codes = [
    ...ALWAYS,
    ...(access.kind === 'public' ? [] : WITH_KEY),
    ...(access.kind === 'tenant' ? (['unknown_tenant'] as const) : []),
    ...problems,
  ];
  const byStatus = Map.groupBy(new Set(codes), (code) => PROBLEM_CODES[code]);
  return Object.fromEntries(
    [...byStatus].map(([status, of]) => [
      status,
      {
        description: of.join(', '),
        content: { 'application/problem+json': { schema: problemSchema } },
      },
    ]),
  );
}

function moreAnswers({ moreAnswers = {} }: RouteWords): Record<number, unknown> {
  return Object.fromEntries(
    Object.entries(moreAnswers).map(([status, { description, type, schema }]) => [
      status,
      { description, content: { [type]: { schema } } },
    ]),
  );
}

/**
 * Checks access before the body is read as far as the key goes, and after validation as far as the
 * tenant goes. A route without declared access cannot be registered.
 */
export function checkAccess(
  app: FastifyInstance,
  { authenticate, tree }: { authenticate: Authenticate; tree: TenantTree },
): void {
  app.decorateRequest('principal', null);
  app.decorateRequest('caller', null);
  app.addHook('onRoute', (route) => {
    if (route.url.startsWith(`${DOCUMENTATION_PATH}/`) || route.url === DOCUMENTATION_PATH)
      // The page's files come from its library, which knows nothing of access.
      route.config = { ...route.config, access: { kind: 'public' } };
    // HEAD and OPTIONS that the framework derives have their GET's options.
    if (route.config?.access === undefined)
      throw new Error(`${String(route.method)} ${route.url} does not say who may use it`);
  });
  app.addHook('onRequest', async (request) => {
    const access = request.routeOptions.config.access;
    if (access === undefined || access.kind === 'public') return;
    const principal = await authenticated(request, authenticate);
    checkRole(principal, access);
    request.principal = principal;
  });
  app.addHook('preHandler', async (request) => {
    const access = request.routeOptions.config.access;
    const { principal } = request;
    if (access === undefined || access.kind === 'public' || principal === null) return;
    request.caller = await checkedCaller(request, principal, access, tree);
  });
}
