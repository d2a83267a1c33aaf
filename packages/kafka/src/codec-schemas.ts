/** The schemas that this build writes, and reads everything into. */
import { readFileSync } from 'node:fs';
import avro from 'avsc';

const FOLDER = new URL('../../../schemas/avro/', import.meta.url);

/** Texts, as they are registered. */
export const EVENT_SCHEMA = readFileSync(new URL('usage-event.avsc', FOLDER), 'utf8');
export const SNAPSHOT_SCHEMA = readFileSync(new URL('usage-snapshot.avsc', FOLDER), 'utf8');
export const DECISION_SCHEMA = readFileSync(new URL('quota-decision.avsc', FOLDER), 'utf8');

export const eventType = parseSchema(EVENT_SCHEMA);
export const snapshotType = parseSchema(SNAPSHOT_SCHEMA);
export const decisionType = parseSchema(DECISION_SCHEMA);

/** Timestamps stay numbers (epoch ms): no Date is made on the hot path. */
export function parseSchema(text: string): avro.Type {
  return avro.Type.forSchema(JSON.parse(text) as avro.Schema);
}
