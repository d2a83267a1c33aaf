/** The forms in which events come, each read into drafts in the order in which they stand. */
import type { IncomingHttpHeaders } from 'node:http';
import { ApiProblem } from '../http/problem.ts';
import { MAX_EVENTS } from './bounds.ts';
import { binaryEvent, isBinaryMode, structuredEvent } from './cloud-events.ts';
import { refused, type Draft } from './draft.ts';
import { isJsonObject, parseExactJson, withExactValue, type ExactValues } from './exact-json.ts';

/** Media types that are read; parameters besides `charset=utf-8` are not looked at. */
export const MEDIA_TYPES = {
  json: 'application/json',
  ndjson: 'application/x-ndjson',
  cloudEvent: 'application/cloudevents+json',
  cloudEvents: 'application/cloudevents-batch+json',
} as const;

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/**
 * @param body inflated
 * @throws ApiProblem `invalid_json`, `too_large`, `unsupported_media_type`
 */
export function readForm(headers: IncomingHttpHeaders, body: Buffer): readonly Draft[] {
  const text = decoded(body);
  switch (mediaType(headers['content-type'])) {
    case MEDIA_TYPES.ndjson:
      return ndjson(text);
    case MEDIA_TYPES.cloudEvent: {
      const { json, values } = parseExactJson(text);
      return [structuredEvent(json, values)];
    }
    case MEDIA_TYPES.cloudEvents: {
      const { json, values } = parseExactJson(text);
      if (!Array.isArray(json)) throw new ApiProblem('invalid_json', 'A batch of CloudEvents is an array.');
      return bounded(json).map((event) => structuredEvent(event, values));
    }
    case MEDIA_TYPES.json:
      return isBinaryMode(headers) ? [binary(headers, text)] : plainJson(text);
    case null:
      if (isBinaryMode(headers) && text === '') return [binaryEvent(headers, undefined, new Map())];
      break;
    case undefined:
  }
  throw new ApiProblem(
    'unsupported_media_type',
    `Send ${Object.values(MEDIA_TYPES).join(', ')}, in UTF-8; CloudEvents in binary mode have JSON data.`,
  );
}

/** Null: none is given. Undefined: none that is read. */
function mediaType(contentType: string | undefined): string | null | undefined {
  if (contentType === undefined) return null;
  const [type = '', ...parameters] = contentType.toLowerCase().split(';');
  const charset = parameters.map((one) => one.trim()).find((one) => one.startsWith('charset='));
  if (charset !== undefined && !/^charset="?utf-8"?$/.test(charset)) return undefined;
  return type.trim();
}

/** Not the lenient way: bytes that are not UTF-8 would become other ids than were sent. */
function decoded(body: Buffer): string {
  try {
    return UTF8.decode(body);
  } catch (error) {
    throw new ApiProblem('invalid_json', 'The body is not UTF-8.', { cause: error });
  }
}

function plainJson(text: string): readonly Draft[] {
  const { json, values } = parseExactJson(text);
  return Array.isArray(json)
    ? bounded(json).map((event) => plainEvent(event, values))
    : [plainEvent(json, values)];
}

function plainEvent(json: unknown, values: ExactValues): Draft {
  return isJsonObject(json)
    ? { fields: withExactValue(json, values) }
    : refused('invalid_event', 'event', 'is not a JSON object');
}

function binary(headers: IncomingHttpHeaders, text: string): Draft {
  if (text === '') return binaryEvent(headers, undefined, new Map());
  const { json, values } = parseExactJson(text);
  return binaryEvent(headers, json, values);
}

/** Empty lines are not events. A line that is not JSON is refused alone: the others are whole. */
function ndjson(text: string): readonly Draft[] {
  const drafts: Draft[] = [];
  for (let start = 0; start < text.length;) {
    const newline = text.indexOf('\n', start);
    const end = newline === -1 ? text.length : newline;
    const line = text.slice(start, end);
    if (line.trim() !== '') {
      if (drafts.length === MAX_EVENTS) throw tooMany();
      drafts.push(lineEvent(line));
    }
    start = end + 1;
  }
  return drafts;
}

function lineEvent(line: string): Draft {
  try {
    const { json, values } = parseExactJson(line);
    return plainEvent(json, values);
  } catch (error) {
    if (error instanceof ApiProblem) return refused('invalid_json', 'event', error.message);
    throw error;
  }
}

function bounded(events: readonly unknown[]): readonly unknown[] {
  if (events.length > MAX_EVENTS) throw tooMany();
  return events;
}

function tooMany(): ApiProblem {
  return new ApiProblem('too_large', `The body holds more than ${MAX_EVENTS} events. Nothing was taken.`);
}
