/**
 * Messages to bytes and back. Synchronous: only a writer's schema that has not been met before has
 * to be asked for, with `learn`. Whatever the bytes are, decoding ends in a value or in a Refusal.
 */
import type { Refusal, UsageEvent } from '@meterhouse/usage';
import type avro from 'avsc';
import {
  fromDecisionMessage,
  toDecisionMessage,
  type DecisionMessage,
  type PublishedDecision,
  type RecordedDecision,
} from './codec-decision.ts';
import { decisionType, eventType, snapshotType } from './codec-schemas.ts';
import { StructureProblem } from './codec-structure.ts';
import { createEncoder, HEADER_BYTES, readSchemaId } from './codec-wire.ts';
import { WriterCache, type Learned, type Writer, type WriterCacheOptions } from './codec-writers.ts';
import type { SchemaRegistry } from './schema-registry.ts';
import {
  checkSnapshot,
  toSnapshotRecord,
  type SnapshotRecord,
  type UsageSnapshot,
} from './codec-snapshot.ts';

/** The schema has to be learned before the message can be read. */
export interface UnknownSchema {
  readonly unknownSchemaId: number;
}

export interface Decoder<T> {
  /**
   * Reads a message in the Confluent wire format.
   * @returns the value; a Refusal (`undecodable`, or `invalid_event` for an entry named `__proto__`);
   *   or the id of a schema to `learn` first
   */
  decode(message: Buffer | null): T | Refusal | UnknownSchema;
  /**
   * Asks the registry for a schema, for at most `deadlineMs`. After `known` and `unknown`, `decode`
   * gives a value or a Refusal. After `unavailable` it still asks for the schema: the caller keeps
   * the message as `schema_unavailable` or waits.
   */
  learn(schemaId: number, options: { readonly deadlineMs: number }): Promise<Learned>;
}

/** Of what `decode` gave: whether it was refused. */
export function isRefusal(outcome: object): outcome is Refusal {
  // A decision has a reason too, of another kind.
  return 'detail' in outcome;
}

/** Of what `decode` gave: whether a schema has to be learned first. */
export function isUnknownSchema(outcome: object): outcome is UnknownSchema {
  return 'unknownSchemaId' in outcome;
}

/** @param schemaId the id that the registry gave for the event's schema, see registerSchemas */
export function createEventEncoder(schemaId: number): (event: UsageEvent) => Buffer {
  return createEncoder(eventType, schemaId);
}

export function createEventDecoder(
  registry: SchemaRegistry,
  options: WriterCacheOptions = {},
): Decoder<UsageEvent> {
  return createDecoder(eventType, registry, options, (record) => record as UsageEvent);
}

export function createSnapshotEncoder(schemaId: number): (snapshot: UsageSnapshot) => Buffer {
  const encode = createEncoder(snapshotType, schemaId);
  return (snapshot) => encode(toSnapshotRecord(snapshot));
}

export function createSnapshotDecoder(
  registry: SchemaRegistry,
  options: WriterCacheOptions = {},
): Decoder<UsageSnapshot> {
  return createDecoder(snapshotType, registry, options, (record) => checkSnapshot(record as SnapshotRecord));
}

/** @param schemaId see registerDecisionSchema */
export function createDecisionEncoder(schemaId: number): (record: RecordedDecision) => Buffer {
  const encode = createEncoder(decisionType, schemaId);
  return (record) => encode(toDecisionMessage(record));
}

export function createDecisionDecoder(
  registry: SchemaRegistry,
  options: WriterCacheOptions = {},
): Decoder<PublishedDecision> {
  return createDecoder(decisionType, registry, options, (message) =>
    fromDecisionMessage(message as DecisionMessage),
  );
}

function createDecoder<T>(
  reader: avro.Type,
  registry: SchemaRegistry,
  options: WriterCacheOptions,
  finish: (record: unknown) => T | Refusal,
): Decoder<T> {
  const writers = new WriterCache(reader, registry, options);
  return {
    decode: (message) => {
      // kafkajs gives an empty value of a compacted topic's tombstone as null.
      if (message === null) return undecodable(null, 'the message has no value');
      const schemaId = readSchemaId(message);
      if (typeof schemaId === 'string') return undecodable(null, `the message ${schemaId}`);
      const writer = writers.get(schemaId);
      if (writer === null) return { unknownSchemaId: schemaId };
      if (writer.kind !== 'readable') return undecodable(null, writer.detail);
      return readRecord(reader, writer, message, finish);
    },
    learn: (schemaId, { deadlineMs }) => writers.learn(schemaId, deadlineMs),
  };
}

function readRecord<T>(
  reader: avro.Type,
  writer: Extract<Writer, { kind: 'readable' }>,
  message: Buffer,
  finish: (record: unknown) => T | Refusal,
): T | Refusal {
  try {
    writer.check(message, HEADER_BYTES);
    const { value } = reader.decode(message, HEADER_BYTES, writer.resolver ?? undefined) as {
      value: unknown;
    };
    return finish(value);
  } catch (error) {
    if (!(error instanceof StructureProblem))
      // What the check lets through and avsc still throws on: a long beyond 2^53, a too deep nesting.
      return undecodable(
        null,
        `the message cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      );
    const where = error.field === null ? 'the message' : `the message, in ${error.field},`;
    return error.kind === 'forbidden_key'
      ? { reason: 'invalid_event', field: error.field, detail: error.message }
      : undecodable(error.field, `${where} ${error.message}`);
  }
}

function undecodable(field: string | null, detail: string): Refusal {
  return { reason: 'undecodable', field, detail: detail.slice(0, 400) };
}
