/**
 * A client of the four calls of the Confluent schema registry API that we need. Every request has a
 * deadline, and an answer that the registry gave is told from one that it could not give.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { EVENT_SCHEMA, SNAPSHOT_SCHEMA } from './codec-schemas.ts';

const REQUEST_TIMEOUT_MS = 5_000;
const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = 2_000;
const CONTENT_TYPE = 'application/vnd.schemaregistry.v1+json';

export type RegistryErrorCode =
  /** No answer, or a server error: ask again later. */
  | 'registry_unavailable'
  /** Another request to the same subject came first: ask again. */
  | 'registry_conflict'
  /** The schema contradicts what the subject already holds. */
  | 'schema_incompatible'
  /** The registry answered, and refused. */
  | 'registry_refused';

export class RegistryError extends Error {
  readonly code: RegistryErrorCode;
  readonly canRetry: boolean;
  /** HTTP status, or null without an answer. */
  readonly status: number | null;

  constructor(code: RegistryErrorCode, message: string, status: number | null, options?: ErrorOptions) {
    super(message, options);
    this.name = 'RegistryError';
    this.code = code;
    this.canRetry = code === 'registry_unavailable' || code === 'registry_conflict';
    this.status = status;
  }
}

export interface StoredSchema {
  /** The schema's text. */
  readonly schema: string;
  readonly schemaType: string;
}

export interface SchemaRegistry {
  /** The schema of an id, or null where the registry knows none. */
  schemaById(id: number, signal: AbortSignal): Promise<StoredSchema | null>;
  /** The id of the schema in the subject, registered if it is not there yet. */
  idOf(subject: string, schema: string, signal: AbortSignal): Promise<number>;
  requireBackwardCompatibility(subject: string, signal: AbortSignal): Promise<'set' | 'no_such_subject'>;
}

/**
 * @param url such as `http://registry:8081` or, for Apicurio, `http://host/apis/ccompat/v7`; a user
 *   and password in it are sent as basic authentication
 */
export function createRegistry(url: string): SchemaRegistry {
  const base = new URL(url);
  const headers: Record<string, string> = { accept: CONTENT_TYPE };
  if (base.username !== '') {
    const login = `${decodeURIComponent(base.username)}:${decodeURIComponent(base.password)}`;
    headers['authorization'] = `Basic ${Buffer.from(login).toString('base64')}`;
    base.username = '';
    base.password = '';
  }
  const root = base.href.replace(/\/+$/, '');
  const call = (request: Call) => callRegistry(root, headers, request);
  return {
    schemaById: async (id, signal) => storedSchema(await call({ path: `/schemas/ids/${id}`, signal })),
    idOf: (subject, schema, signal) => idOf(call, subject, schema, signal),
    requireBackwardCompatibility: (subject, signal) => requireBackwardCompatibility(call, subject, signal),
  };
}

/**
 * Registers the schemas of both topics under `<topic>-value`, once and for all: registering what is
 * there returns its id. Waits for a registry that is not up yet, up to the deadline.
 * @throws RegistryError naming the subject
 */
export async function registerSchemas(
  registry: SchemaRegistry,
  topics: { readonly usageEvents: string; readonly usageSnapshots: string },
  { deadlineMs = 30_000 }: { readonly deadlineMs?: number } = {},
): Promise<{ usageEvents: number; usageSnapshots: number }> {
  const signal = AbortSignal.timeout(deadlineMs);
  const register = (topic: string, schema: string) =>
    retryUntil(signal, () => registerSubject(registry, `${topic}-value`, schema, signal));
  return {
    usageEvents: await register(topics.usageEvents, EVENT_SCHEMA),
    usageSnapshots: await register(topics.usageSnapshots, SNAPSHOT_SCHEMA),
  };
}

/** Id of the usage event's schema for the topic, registered if need be. One attempt. */
export function registerEventSchema(
  registry: SchemaRegistry,
  topic: string,
  signal: AbortSignal,
): Promise<number> {
  return registerSubject(registry, `${topic}-value`, EVENT_SCHEMA, signal);
}

async function registerSubject(
  registry: SchemaRegistry,
  subject: string,
  schema: string,
  signal: AbortSignal,
): Promise<number> {
  // Before the schema where the registry allows it, so that no incompatible one can slip in between.
  const rule = await registry.requireBackwardCompatibility(subject, signal);
  const id = await registry.idOf(subject, schema, signal);
  if (rule === 'no_such_subject') await registry.requireBackwardCompatibility(subject, signal);
  return id;
}

/** Repeats while the registry is unavailable and the deadline has not passed. */
export async function retryUntil<T>(signal: AbortSignal, attempt: () => Promise<T>): Promise<T> {
  for (let waitMs = FIRST_RETRY_MS; ; waitMs = Math.min(waitMs * 2, MAX_RETRY_MS)) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof RegistryError) || !error.canRetry || signal.aborted) throw error;
      const pause = await delay(waitMs, 'waited', { signal }).catch(() => 'too late');
      if (pause === 'too late') throw error;
    }
  }
}

interface Call {
  readonly method?: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  readonly body?: unknown;
  readonly signal: AbortSignal;
}

/** @returns the answer's JSON, or null on 404 */
async function callRegistry(root: string, headers: Record<string, string>, request: Call): Promise<unknown> {
  const { method = 'GET', path, body, signal } = request;
  let response: Response;
  let text: string;
  try {
    response = await fetch(root + path, {
      method,
      headers: body === undefined ? headers : { ...headers, 'content-type': CONTENT_TYPE },
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.any([signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]),
    });
    text = await response.text();
  } catch (error) {
    throw new RegistryError(
      'registry_unavailable',
      `schema registry does not answer ${method} ${path}`,
      null,
      {
        cause: error,
      },
    );
  }
  const status = response.status;
  if (status === 404) return null;
  if (status >= 500 || status === 429)
    throw new RegistryError(
      'registry_unavailable',
      `schema registry answers ${status} to ${method} ${path}`,
      status,
    );
  if (!response.ok)
    throw new RegistryError(
      status === 409 ? 'registry_conflict' : 'registry_refused',
      `schema registry answers ${status} to ${method} ${path}: ${text.slice(0, 300)}`,
      status,
    );
  return parseAnswer(text, `${method} ${path}`);
}

function parseAnswer(text: string, request: string): unknown {
  try {
    return text === '' ? {} : (JSON.parse(text) as unknown);
  } catch (error) {
    throw new RegistryError('registry_unavailable', `schema registry answers no JSON to ${request}`, null, {
      cause: error,
    });
  }
}

type CallRegistry = (request: Call) => Promise<unknown>;

async function requireBackwardCompatibility(
  call: CallRegistry,
  subject: string,
  signal: AbortSignal,
): Promise<'set' | 'no_such_subject'> {
  const path = `/config/${encodeURIComponent(subject)}`;
  const answer = await call({ method: 'PUT', path, body: { compatibility: 'BACKWARD' }, signal });
  return answer === null ? 'no_such_subject' : 'set';
}

async function idOf(
  call: CallRegistry,
  subject: string,
  schema: string,
  signal: AbortSignal,
): Promise<number> {
  const path = `/subjects/${encodeURIComponent(subject)}`;
  const lookUp = async () => schemaId(await call({ method: 'POST', path, body: { schema }, signal }));
  // Asking first lets a producer without the right to register use what an operator registered.
  const known = await lookUp();
  if (known !== null) return known;
  try {
    const id = schemaId(await call({ method: 'POST', path: `${path}/versions`, body: { schema }, signal }));
    if (id !== null) return id;
    throw new RegistryError('registry_refused', `schema registry gives no id for subject ${subject}`, 404);
  } catch (error) {
    if (!(error instanceof RegistryError) || error.code !== 'registry_conflict') throw error;
    // A conflict also where another process registered the same schema between our two calls.
    const registered = await lookUp();
    if (registered !== null) return registered;
    const message = `the schema for subject ${subject} contradicts what is registered there: ${error.message}`;
    throw new RegistryError('schema_incompatible', message, error.status, { cause: error });
  }
}

function schemaId(answer: unknown): number | null {
  if (typeof answer !== 'object' || answer === null || !('id' in answer)) return null;
  return typeof answer.id === 'number' ? answer.id : null;
}

function storedSchema(answer: unknown): StoredSchema | null {
  if (typeof answer !== 'object' || answer === null || !('schema' in answer)) return null;
  if (typeof answer.schema !== 'string') return null;
  // Registries leave the type out where it is Avro.
  const schemaType =
    'schemaType' in answer && typeof answer.schemaType === 'string' ? answer.schemaType : 'AVRO';
  return { schema: answer.schema, schemaType };
}
