/** JSON from outside: bounded in depth and in number of values before anything walks it. */
import secureJson from 'secure-json-parse';
import { ApiProblem } from './problem.ts';

export interface JsonBounds {
  readonly maxDepth: number;
  /** Objects, arrays and scalars together. */
  readonly maxValues: number;
}

/** For everything but events, which come by the thousand and say their own. */
export const JSON_BOUNDS: JsonBounds = { maxDepth: 16, maxValues: 50_000 };

/** As `JSON.parse` calls it; `context.source` is a scalar as it stands in the text. */
export type Reviver = (
  this: object,
  key: string,
  value: unknown,
  context?: { readonly source?: string },
) => unknown;

/** @throws ApiProblem `invalid_json` or `too_large` */
export function parseJson(
  text: string,
  bounds: JsonBounds = JSON_BOUNDS,
  reviver: Reviver | null = null,
): unknown {
  // Before parsing: a body of brackets alone costs the parser its stack.
  checkShape(text, bounds);
  try {
    // A `__proto__` in a body is never meant well.
    return secureJson.parse(text, reviver, { protoAction: 'error', constructorAction: 'error' });
  } catch (error) {
    throw new ApiProblem('invalid_json', 'The body is not valid JSON.', { cause: error });
  }
}

function checkShape(text: string, { maxDepth, maxValues }: JsonBounds): void {
  let depth = 0;
  let values = 1;
  let inString = false;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (inString) {
      if (code === BACKSLASH) at += 1;
      else if (code === QUOTE) inString = false;
    } else if (code === QUOTE) inString = true;
    else if (code === OPEN_OBJECT || code === OPEN_ARRAY) {
      depth += 1;
      values += 1;
      if (depth > maxDepth)
        throw new ApiProblem('too_large', `The body is nested more than ${maxDepth} levels deep.`);
    } else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) depth -= 1;
    else if (code === COMMA) values += 1;
    if (values > maxValues)
      throw new ApiProblem('too_large', `The body holds more than ${maxValues} values.`);
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
