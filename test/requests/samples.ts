/** Values that fit a schema of the document, and where texts stand in them. */
import type { Random } from '../faults/random.ts';
import type { Operation, Operations, Schema } from './operations.ts';

/** A text that is wanted: what is asked, the names that lead to it, and what it must look like. */
export interface TextPlace {
  readonly operation: Operation;
  /** The last of its names: `tenantId` of `questions.0.tenantId`. */
  readonly name: string;
  readonly schema: Schema;
}

export interface SampleChoices {
  readonly random: Random;
  /** How often what may be left out is there, 0 to 1. */
  readonly optional: number;
  readonly text: (place: TextPlace) => string;
}

export type Json = string | number | boolean | null | Json[] | { [name: string]: Json };

export function sampleOf(
  given: Schema,
  name: string,
  operation: Operation,
  operations: Operations,
  choices: SampleChoices,
): Json {
  const { random } = choices;
  const schema = operations.resolved(given);
  const within = (inner: Schema, innerName: string): Json =>
    sampleOf(inner, innerName, operation, operations, choices);
  if (schema.const !== undefined) return schema.const as Json;
  if (schema.enum !== undefined) return random.pick(schema.enum) as Json;
  const branches = schema.anyOf ?? schema.oneOf;
  if (branches !== undefined) return within(branchOf(branches, choices), name);
  switch (typeOf(schema, choices)) {
    case 'object':
      return objectOf(schema, within, choices, (key) =>
        choices.text({ operation, name: `${name} key`, schema: key }),
      );
    case 'array':
      return arrayOf(schema, (item) => within(item, name), operations, choices);
    case 'string':
      return choices.text({ operation, name, schema });
    case 'integer':
    case 'number':
      return random.between(Math.max(schema.minimum ?? 0, -1_000), Math.min(schema.maximum ?? 100, 100));
    case 'boolean':
      return random.chance(0.5);
    case 'null':
      return null;
    case undefined:
    default:
      return {};
  }
}

/** With everything that may be left out, also what may be null. */
function branchOf(branches: readonly Schema[], { random, optional }: SampleChoices): Schema {
  const filled = branches.filter(({ type }) => type !== 'null');
  return filled.length < branches.length && !random.chance(optional) ? { type: 'null' } : random.pick(filled);
}

function typeOf({ type, properties }: Schema, { random, optional }: SampleChoices): string | undefined {
  if (type === undefined) return properties === undefined ? undefined : 'object';
  if (typeof type === 'string') return type;
  const filled = type.filter((one) => one !== 'null');
  return filled.length < type.length && !random.chance(optional) ? 'null' : random.pick(filled);
}

function objectOf(
  { properties = {}, required = [], additionalProperties }: Schema,
  within: (schema: Schema, name: string) => Json,
  { random, optional }: SampleChoices,
  keyText: (schema: Schema) => string,
): Json {
  const made: Record<string, Json> = {};
  for (const [name, schema] of Object.entries(properties))
    if (required.includes(name) || random.chance(optional)) made[name] = within(schema, name);
  // A record: its keys are texts of the caller's too.
  if (typeof additionalProperties === 'object' && Object.keys(properties).length === 0)
    made[keyText({ type: 'string' })] = within(additionalProperties, 'record');
  return made;
}

/** Of a choice of several forms, one of each where everything is wanted. */
function arrayOf(
  { items = {}, minItems = 0 }: Schema,
  within: (item: Schema) => Json,
  operations: Operations,
  { random, optional }: SampleChoices,
): Json {
  const { anyOf, oneOf } = operations.resolved(items);
  const forms = anyOf ?? oneOf;
  if (forms !== undefined && optional === 1) return forms.map(within);
  const length = Math.max(minItems, random.chance(optional) ? random.between(1, 2) : 0);
  return Array.from({ length }, () => within(items));
}

/** The way to a text: of an object's fields and an array's places. A key of a record has `key: true`. */
export interface TextPath {
  readonly steps: readonly (string | number)[];
  readonly key: boolean;
}

/** Every text of a value, and every name in it that the schema did not give. */
export function textsOf(
  value: Json,
  isField: (name: string) => boolean,
  steps: readonly (string | number)[] = [],
): TextPath[] {
  if (typeof value === 'string') return [{ steps, key: false }];
  if (value === null || typeof value !== 'object') return [];
  return (Array.isArray(value) ? [...value.entries()] : Object.entries(value)).flatMap(([step, inner]) => [
    ...(typeof step === 'string' && !isField(step) ? [{ steps: [...steps, step], key: true }] : []),
    ...textsOf(inner, isField, [...steps, step]),
  ]);
}

/** The value with another text there. */
export function withText(value: Json, { steps, key }: TextPath, text: string): Json {
  const [step, ...rest] = steps;
  if (step === undefined) return text;
  if (Array.isArray(value))
    return value.map((inner, index) =>
      index === step ? withText(inner, { steps: rest, key }, text) : inner,
    );
  if (value === null || typeof value !== 'object') return value;
  // By entries, so that `__proto__` stays a name like any other.
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => {
      if (name !== step) return [name, inner];
      return key && rest.length === 0 ? [text, inner] : [name, withText(inner, { steps: rest, key }, text)];
    }),
  );
}
