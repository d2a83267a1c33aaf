/** The Confluent wire format: a zero byte, the schema's id as a big-endian int32, the Avro bytes. */
import type avro from 'avsc';

export const HEADER_BYTES = 5;
const MAGIC = 0;
/** Larger than nearly every event; what does not fit is encoded on the slower way. */
const SCRATCH_BYTES = 16 * 1024;

/** Encodes a value of the type with the schema's id. Throws TypeError where the value does not fit the type. */
export function createEncoder(type: avro.Type, schemaId: number): (value: object) => Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeInt32BE(schemaId, 1);
  const scratch = Buffer.alloc(SCRATCH_BYTES);
  header.copy(scratch);
  return (value) => {
    const end = type.encode(value, scratch, HEADER_BYTES) as number | undefined;
    if (end !== undefined && end > 0) {
      const message = Buffer.allocUnsafe(end);
      scratch.copy(message, 0, 0, end);
      return message;
    }
    return Buffer.concat([header, type.toBuffer(value)]);
  };
}

/** The schema's id, or in words why the message carries none. */
export function readSchemaId(message: Buffer): number | string {
  if (message.length < HEADER_BYTES) return `has ${message.length} bytes: too short for a schema id`;
  if (message[0] !== MAGIC) return `begins with byte ${message[0] ?? ''} instead of ${MAGIC}`;
  const id = message.readInt32BE(1);
  return id > 0 ? id : `names schema ${id}, which no registry gives out`;
}
