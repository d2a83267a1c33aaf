/**
 * The schema registry, through kafkajs' client for it. Every question has a deadline, and an answer
 * that the registry gave is told from one that it could not give.
 */
import { setTimeout as delay } from 'node:timers/promises';
import {
  COMPATIBILITY,
  SchemaRegistry as ConfluentRegistry,
  SchemaType,
} from '@kafkajs/confluent-schema-registry';
import type { SchemaRegistryAPIClientArgs } from '@kafkajs/confluent-schema-registry/dist/api/index.js';
import avro from 'avsc';
import { DECISION_SCHEMA, EVENT_SCHEMA, SNAPSHOT_SCHEMA } from './codec-schemas.ts';

const REQUEST_TIMEOUT_MS = 5_000;
const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = 2_000;

export type RegistryErrorCode =
  /** No answer, or a server error: ask again later. */
  | 'registry_unavailable'
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
    this.canRetry = code === 'registry_unavailable';
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
}

/**
 * @param url such as `http://registry:8081` or, for Apicurio, `http://host/apis/ccompat/v7`; a user
 *   and password in it are sent as basic authentication
 */
export function createRegistry(url: string): SchemaRegistry {
  const base = new URL(url);
  const auth =
    base.username === ''
      ? {}
      : {
          auth: { username: decodeURIComponent(base.username), password: decodeURIComponent(base.password) },
        };
  base.username = '';
  base.password = '';
  const client = new ConfluentRegistry({
    host: base.href.replace(/\/+$/, ''),
    ...auth,
    // Retrying is the caller's, who knows the deadline.
    retry: { retries: 0 },
    middlewares: [requestTimeout],
  });
  return {
    schemaById: async (id, signal) => {
      try {
        return storedSchema(await within(signal, `schema ${id}`, client.getSchema(id)));
      } catch (error) {
        if (statusOf(error) === 404) return null;
        throw registryError(error, `schema ${id}`);
      }
    },
    idOf: (subject, schema, signal) => idOf(client, subject, schema, signal),
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
    retryUntil(signal, () => registry.idOf(`${topic}-value`, schema, signal));
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
  return registry.idOf(`${topic}-value`, EVENT_SCHEMA, signal);
}

/** The same of the decision's schema. */
export function registerDecisionSchema(
  registry: SchemaRegistry,
  topic: string,
  signal: AbortSignal,
): Promise<number> {
  return registry.idOf(`${topic}-value`, DECISION_SCHEMA, signal);
}

/** Whether the registry answered with what waiting does not mend: a wrong login, or another schema there. */
export function isRefusedForGood(error: unknown): boolean {
  if (!(error instanceof RegistryError)) return false;
  return error.code === 'schema_incompatible' || error.status === 401 || error.status === 403;
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

async function idOf(
  client: ConfluentRegistry,
  subject: string,
  schema: string,
  signal: AbortSignal,
): Promise<number> {
  const avro = { type: SchemaType.AVRO, schema } as const;
  const lookUp = async (): Promise<number | null> => {
    try {
      return await within(signal, subject, client.getRegistryIdBySchema(subject, avro));
    } catch (error) {
      // The library's own word for 404, which has lost its status.
      if (error instanceof Error && error.name === 'ConfluentSchemaRegistryError') return null;
      throw registryError(error, subject);
    }
  };
  // Asking first lets a producer without the right to register use what an operator registered.
  const known = await lookUp();
  if (known !== null) return checkedId(known, subject);
  try {
    const compatibility = COMPATIBILITY.BACKWARD;
    const registered = await within(signal, subject, client.register(avro, { subject, compatibility }));
    return checkedId(registered.id, subject);
  } catch (error) {
    const status = statusOf(error);
    if (status !== 409 && status !== 422) throw registryError(error, subject);
    // A conflict also where another process registered the same schema between our two calls.
    const registered = await lookUp();
    if (registered !== null) return registered;
    const message = `the schema for subject ${subject} contradicts what is registered there: ${messageOf(error)}`;
    throw new RegistryError('schema_incompatible', message, status, { cause: error });
  }
}

/** An answer that is not the registry's (a proxy's page, say) has no id. */
function checkedId(id: unknown, subject: string): number {
  if (typeof id === 'number' && Number.isSafeInteger(id)) return id;
  throw new RegistryError('registry_unavailable', `schema registry gives no id for ${subject}`, null);
}

/** The library parses what it fetches; our cache wants the text, to check structure and resolve by. */
function storedSchema(schema: object): StoredSchema {
  if (schema instanceof avro.Type)
    return { schema: JSON.stringify(schema.schema({ exportAttrs: true })), schemaType: 'AVRO' };
  return { schema: '', schemaType: 'of another kind' };
}

/** Gives up at the signal; the request itself ends at its own time-out. */
async function within<T>(signal: AbortSignal, what: string, asking: Promise<T>): Promise<T> {
  const cut = Promise.withResolvers<never>();
  const giveUp = (): void => {
    cut.reject(
      new RegistryError('registry_unavailable', `schema registry does not answer about ${what}`, null),
    );
  };
  if (signal.aborted) giveUp();
  signal.addEventListener('abort', giveUp, { once: true });
  // Whichever is late must not count as unhandled.
  asking.catch(() => undefined);
  cut.promise.catch(() => undefined);
  try {
    return await Promise.race([asking, cut.promise]);
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}

const requestTimeout: NonNullable<SchemaRegistryAPIClientArgs['middlewares']>[number] = () => ({
  prepareRequest: async (next) => (await next()).enhance({ timeout: REQUEST_TIMEOUT_MS }),
});

/** The status that the registry answered with; null where it did not answer, or not as a registry. */
function statusOf(error: unknown): number | null {
  const status = typeof error === 'object' && error !== null && 'status' in error ? error.status : null;
  return typeof status === 'number' && status >= 100 ? status : null;
}

function registryError(error: unknown, what: string): RegistryError {
  if (error instanceof RegistryError) return error;
  const status = statusOf(error);
  // 400 is also what the library makes of a connection that failed.
  const refused = status !== null && [401, 403, 404, 409, 422].includes(status);
  const login = status === 401 || status === 403 ? ' (the user and password in its URL)' : '';
  return new RegistryError(
    refused ? 'registry_refused' : 'registry_unavailable',
    `schema registry, asked for ${what}: ${messageOf(error).slice(0, 300)}${login}`,
    status,
    { cause: error },
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
