/**
 * Walks a message by its writer's schema before avsc reads it. avsc trusts lengths and counts: five
 * wrong bytes in a map keep it looping for minutes, which would stop a partition. It also turns
 * invalid UTF-8 into replacement characters, so that two ids become one, and loses a map entry named
 * `__proto__`. Here each of these is found in one pass of bounded work, with the field it is in.
 */
import { isUtf8 } from 'node:buffer';
import avro from 'avsc';

const { types } = avro;

/** What is wrong with the bytes. */
export class StructureProblem extends Error {
  readonly field: string | null;
  readonly kind: 'malformed' | 'forbidden_key';

  constructor(kind: 'malformed' | 'forbidden_key', field: string | null, message: string) {
    super(message);
    this.kind = kind;
    this.field = field;
  }
}

/** Where the walk stands. */
interface Cursor {
  readonly bytes: Buffer;
  position: number;
  /** The record field last entered. */
  field: string | null;
}

type Walk = (cursor: Cursor) => void;

/**
 * A check for messages that were written in the schema.
 * @returns a function that throws StructureProblem unless the bytes from `start` to the end are
 *   exactly one value of the type
 */
export function structureCheck(type: avro.Type): (bytes: Buffer, start: number) => void {
  const walk = walkOf(type, new Map());
  return (bytes, start) => {
    const cursor: Cursor = { bytes, position: start, field: null };
    walk(cursor);
    if (cursor.position !== bytes.length) {
      cursor.field = null;
      malformed(cursor, `has ${bytes.length - cursor.position} bytes after its end`);
    }
  };
}

function malformed(cursor: Cursor, words: string): never {
  throw new StructureProblem('malformed', cursor.field, words);
}

/** @param known walks by type, so that recursive types end */
function walkOf(type: avro.Type, known: Map<avro.Type, Walk>): Walk {
  const found = known.get(type);
  if (found !== undefined) return found;
  known.set(type, (cursor) => {
    walk(cursor);
  });
  const walk = walkOfComplex(type, known) ?? walkOfPrimitive(type.typeName);
  known.set(type, walk);
  return walk;
}

function walkOfComplex(type: avro.Type, known: Map<avro.Type, Walk>): Walk | null {
  if (type instanceof types.RecordType) return walkRecord(type, known);
  if (type instanceof types.MapType) {
    const valuesType: avro.Type = type.valuesType as avro.Type;
    return walkBlocks(walkEntry(walkOf(valuesType, known)));
  }
  if (type instanceof types.ArrayType) return walkBlocks(walkOf(type.itemsType, known));
  if (type instanceof types.UnwrappedUnionType || type instanceof types.WrappedUnionType)
    return walkIndex(type.types.map((branch) => walkOf(branch, known)));
  if (type instanceof types.EnumType) return walkIndex(type.symbols.map(() => walkNothing));
  if (type instanceof types.FixedType) {
    const { size } = type;
    return (cursor) => {
      skip(cursor, size);
    };
  }
  return null;
}

function walkOfPrimitive(typeName: string): Walk {
  switch (typeName) {
    case 'null':
      return walkNothing;
    case 'boolean':
      return (cursor) => {
        skip(cursor, 1);
      };
    case 'float':
      return (cursor) => {
        skip(cursor, 4);
      };
    case 'double':
      return (cursor) => {
        skip(cursor, 8);
      };
    case 'int':
    case 'long':
      return readLong;
    case 'bytes':
      return (cursor) => {
        skip(cursor, readLong(cursor));
      };
    case 'string':
      return walkString;
    default:
      throw new TypeError(`no Avro type that can be checked: ${typeName}`);
  }
}

function walkNothing(): void {
  // null and the names of an enum take no bytes of their own
}

function skip(cursor: Cursor, bytes: number): void {
  if (bytes < 0 || bytes > cursor.bytes.length - cursor.position) malformed(cursor, 'ends too early');
  cursor.position += bytes;
}

/** Zigzag varint. Beyond 2^53 the number is not exact; as a length it is too long in any case. */
function readLong(cursor: Cursor): number {
  const { bytes } = cursor;
  let position = cursor.position;
  let value = 0;
  let weight = 1;
  for (let i = 0; i < 10; i++) {
    const byte = bytes[position++];
    if (byte === undefined) malformed(cursor, 'ends too early');
    value += (byte & 0x7f) * weight;
    if (byte < 0x80) {
      cursor.position = position;
      return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    }
    weight *= 128;
  }
  return malformed(cursor, 'has a number of more than 10 bytes');
}

/** @returns where the text's bytes begin */
function walkString(cursor: Cursor): number {
  const length = readLong(cursor);
  const from = cursor.position;
  skip(cursor, length);
  const { bytes, position } = cursor;
  // Texts are nearly always ASCII and short: a loop here beats a call out of JavaScript.
  for (let i = from; i < position; i++) {
    if ((bytes[i] ?? 0) < 0x80) continue;
    if (isUtf8(bytes.subarray(from, position))) break;
    malformed(cursor, 'has a text that is not UTF-8');
  }
  return from;
}

const PROTO = '__proto__';

function walkEntry(walkValue: Walk): Walk {
  return (cursor) => {
    const from = walkString(cursor);
    const { bytes, position } = cursor;
    if (position - from === PROTO.length && bytes.toString('latin1', from, position) === PROTO)
      throw new StructureProblem(
        'forbidden_key',
        `${cursor.field ?? 'map'}.${PROTO}`,
        `has an entry named ${PROTO}`,
      );
    walkValue(cursor);
  };
}

/** Arrays and maps: blocks of a count and as many items, ended by a count of 0. */
function walkBlocks(walkItem: Walk): Walk {
  return (cursor) => {
    for (;;) {
      let count = readLong(cursor);
      if (count === 0) return;
      let end = -1;
      if (count < 0) {
        count = -count;
        const size = readLong(cursor);
        end = cursor.position + size;
      }
      // Every item takes a byte at least; this is what bounds the loop.
      if (count > cursor.bytes.length - cursor.position) malformed(cursor, 'ends too early');
      for (let i = 0; i < count; i++) walkItem(cursor);
      if (end >= 0 && cursor.position !== end)
        malformed(cursor, 'has a block that is not as long as it says');
    }
  };
}

/** Unions and enums: an index, then for a union the value of that branch. */
function walkIndex(branches: readonly Walk[]): Walk {
  return (cursor) => {
    const index = readLong(cursor);
    const walk = branches[index];
    if (walk === undefined) malformed(cursor, `has no alternative ${index}`);
    walk(cursor);
  };
}

function walkRecord(type: avro.types.RecordType, known: Map<avro.Type, Walk>): Walk {
  const names = type.fields.map((field) => field.name);
  const walks = type.fields.map((field) => walkOf(field.type, known));
  return (cursor) => {
    for (let i = 0; i < walks.length; i++) {
      cursor.field = names[i] ?? null;
      walks[i]?.(cursor);
    }
  };
}
