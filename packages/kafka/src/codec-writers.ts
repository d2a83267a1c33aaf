/** What is known of the schemas that messages were written with, by their registry id. Bounded. */
import type avro from 'avsc';
import { parseSchema } from './codec-schemas.ts';
import { structureCheck } from './codec-structure.ts';
import { retryUntil, RegistryError, type SchemaRegistry, type StoredSchema } from './schema-registry.ts';

export type Writer =
  | {
      readonly kind: 'readable';
      readonly check: (bytes: Buffer, start: number) => void;
      /** Null where the writer's schema is our own. */
      readonly resolver: avro.Resolver | null;
    }
  /** The registry has the schema, but it is not one that the reader's can be read from. */
  | { readonly kind: 'unreadable'; readonly detail: string }
  /** The registry has no such schema, as of a moment ago. */
  | { readonly kind: 'absent'; readonly detail: string; readonly until: number };

export type Learned = 'known' | 'unknown' | 'unavailable';

export interface WriterCacheOptions {
  /** Monotonic or wall clock, milliseconds. */
  readonly now?: () => number;
  /** How long an id that the registry does not have is not asked for again. */
  readonly absentForMs?: number;
  /** How long the registry is left alone after it did not answer within a deadline. */
  readonly unavailableForMs?: number;
  /** Schemas remembered; beyond it the oldest are asked for again. */
  readonly maxSchemas?: number;
}

export class WriterCache {
  readonly #reader: avro.Type;
  readonly #registry: SchemaRegistry;
  readonly #now: () => number;
  readonly #absentForMs: number;
  readonly #unavailableForMs: number;
  readonly #maxSchemas: number;
  readonly #writers = new Map<number, Writer>();
  #unavailableUntil = Number.NEGATIVE_INFINITY;

  constructor(reader: avro.Type, registry: SchemaRegistry, options: WriterCacheOptions) {
    this.#reader = reader;
    this.#registry = registry;
    this.#now = options.now ?? Date.now;
    this.#absentForMs = options.absentForMs ?? 30_000;
    this.#unavailableForMs = options.unavailableForMs ?? 1_000;
    this.#maxSchemas = options.maxSchemas ?? 1_000;
  }

  get(schemaId: number): Writer | null {
    const writer = this.#writers.get(schemaId);
    if (writer === undefined) return null;
    return writer.kind === 'absent' && this.#now() >= writer.until ? null : writer;
  }

  /** Asks the registry, again and again until the deadline if it does not answer. */
  async learn(schemaId: number, deadlineMs: number): Promise<Learned> {
    const known = this.get(schemaId);
    if (known !== null) return known.kind === 'absent' ? 'unknown' : 'known';
    // A run of messages with many unknown ids must not wait out the deadline once for each.
    if (this.#now() < this.#unavailableUntil) return 'unavailable';
    try {
      const signal = AbortSignal.timeout(deadlineMs);
      const stored = await retryUntil(signal, () => this.#registry.schemaById(schemaId, signal));
      const writer = stored === null ? this.#absent(schemaId) : makeWriter(this.#reader, stored);
      this.#remember(schemaId, writer);
      return writer.kind === 'absent' ? 'unknown' : 'known';
    } catch (error) {
      // Also where it refuses us (401, 403): the schema may well be there, so nothing is undecodable.
      if (!(error instanceof RegistryError)) throw error;
      this.#unavailableUntil = this.#now() + this.#unavailableForMs;
      return 'unavailable';
    }
  }

  #absent(schemaId: number): Writer {
    const detail = `the registry has no schema ${schemaId}`;
    return { kind: 'absent', detail, until: this.#now() + this.#absentForMs };
  }

  #remember(schemaId: number, writer: Writer): void {
    this.#writers.delete(schemaId);
    if (this.#writers.size >= this.#maxSchemas) {
      const oldest = this.#writers.keys().next();
      if (oldest.done !== true) this.#writers.delete(oldest.value);
    }
    this.#writers.set(schemaId, writer);
  }
}

function makeWriter(reader: avro.Type, { schema, schemaType }: StoredSchema): Writer {
  if (schemaType !== 'AVRO') return unreadable(`its schema is ${schemaType}, not Avro`);
  try {
    const type = parseSchema(schema);
    const resolver = reader.equals(type) ? null : reader.createResolver(type);
    return { kind: 'readable', check: structureCheck(type), resolver };
  } catch (error) {
    // avsc reports what it cannot parse or resolve by throwing; none of it gets better by retrying.
    return unreadable(`its schema is not a ${reader.name ?? 'known type'}: ${messageOf(error)}`);
  }
}

function unreadable(detail: string): Writer {
  return { kind: 'unreadable', detail: detail.slice(0, 300) };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
