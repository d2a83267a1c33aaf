/**
 * JSON whose amounts keep their digits. `JSON.parse` makes a float of every number, so that
 * 0.1000000000000000055 and 9007199254740993 come out as other numbers; here a `value` that is
 * written as a number is read from the text itself.
 */
import { parseJson, type JsonBounds, type Reviver } from '../http/json-limits.ts';

/** A thousand events with every attribute that an event may have. */
const JSON_BOUNDS: JsonBounds = { maxDepth: 8, maxValues: 100_000 };

/** Where it finds nothing, the plain parser does: it is three times as fast. */
const MAYBE_NUMBER = /"value"\s*:\s*[-0-9]/;

export type JsonObject = Readonly<Record<string, unknown>>;

/** Each object's `value` as the text has it, for those that have a number there. */
export type ExactValues = ReadonlyMap<object, string>;

/** @throws ApiProblem `invalid_json` or `too_large` */
export function parseExactJson(text: string): { readonly json: unknown; readonly values: ExactValues } {
  const values = new Map<object, string>();
  const keepValue: Reviver = function (key, value, context) {
    if (key === 'value' && typeof value === 'number' && context?.source !== undefined)
      values.set(this, context.source);
    return value;
  };
  return { json: parseJson(text, JSON_BOUNDS, MAYBE_NUMBER.test(text) ? keepValue : null), values };
}

/**
 * An object's members with its `value` exact. A number whose text is not known (its name was written
 * with escapes) becomes a text that is no decimal, and is refused by name.
 */
export function withExactValue(object: JsonObject, values: ExactValues): JsonObject {
  return typeof object['value'] === 'number'
    ? { ...object, value: values.get(object) ?? 'a number that cannot be taken exactly' }
    : object;
}

export function isJsonObject(json: unknown): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}
