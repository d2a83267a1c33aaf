/**
 * CloudEvents 1.0 as usage events: `type` is the metric, `subject` the tenant, `time` the time of the
 * event, `data` holds value, unit, attrs and attribution. The official SDK is not used on this side:
 * it makes up an id and a time where they are missing, and then the same event sent twice counts twice.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';
import { refused, type Draft } from './draft.ts';
import { isJsonObject, withExactValue, type ExactValues, type JsonObject } from './exact-json.ts';

/** Ours, as the sender knows them. */
const FIELD_NAMES = {
  metric: 'type',
  tenantId: 'subject',
  ts: 'time',
  correlationId: 'correlationid',
  value: 'data.value',
  unit: 'data.unit',
  attrs: 'data.attrs',
  attribution: 'data.attribution',
};

const DATA_FIELDS = new Set(['value', 'unit', 'attrs', 'attribution']);
const JSON_TYPE = /^application\/(?:[a-z0-9.-]+\+)?json\s*(?:;|$)/i;

const required = z.string().min(1, 'is empty');
/** Other attributes (extensions) travel with an event and say nothing of usage: they are not kept. */
const attributes = z.looseObject({
  specversion: z.literal('1.0', 'is not 1.0'),
  id: required,
  // No URI has white space; so the two parts of the id stay apart.
  source: required.regex(/^\S+$/, 'holds white space'),
  type: required,
  subject: z.string().nullish(),
  time: z.string().nullish(),
  datacontenttype: z.string().regex(JSON_TYPE, 'is not JSON').nullish(),
  correlationid: z.string().nullish(),
  data_base64: z.undefined('is binary; usage is JSON in `data`').optional(),
});

/** @param json one event in the JSON format */
export function structuredEvent(json: unknown, values: ExactValues): Draft {
  return isJsonObject(json)
    ? draftOf(json, json['data'], values)
    : refused('invalid_event', 'event', 'is not a JSON object');
}

/** @param data the body, undefined where there is none */
export function binaryEvent(headers: IncomingHttpHeaders, data: unknown, values: ExactValues): Draft {
  const named: Record<string, unknown> = {};
  for (const [name, text] of Object.entries(headers)) {
    if (!name.startsWith('ce-') || typeof text !== 'string') continue;
    const decoded = percentDecoded(text);
    if (decoded === null) return refused('invalid_event', name.slice(3), 'is not percent-encoded UTF-8');
    named[name.slice(3)] = decoded;
  }
  return draftOf(named, data, values);
}

export function isBinaryMode(headers: IncomingHttpHeaders): boolean {
  return headers['ce-specversion'] !== undefined || headers['ce-id'] !== undefined;
}

/** Header values carry what is not ASCII percent-encoded (HTTP binding, 3.1.3.2). */
function percentDecoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return null;
    throw error;
  }
}

function draftOf(given: JsonObject, data: unknown, values: ExactValues): Draft {
  const parsed = attributes.safeParse(given);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return refused('invalid_event', String(issue?.path[0] ?? 'event'), issue?.message ?? 'is no CloudEvent');
  }
  const usage = data ?? {};
  if (!isJsonObject(usage)) return refused('invalid_event', 'data', 'is not a JSON object');
  const unknown = Object.keys(usage).find((name) => !DATA_FIELDS.has(name));
  if (unknown !== undefined)
    return refused(
      'invalid_event',
      `data.${unknown.slice(0, 64)}`,
      'is not one of value, unit, attrs and attribution; what usage is split by goes into attrs',
    );
  const { id, source, type, subject, time, correlationid } = parsed.data;
  return {
    fields: {
      ...withExactValue(usage, values),
      // A CloudEvent is told from others by both; a usage event by its id alone.
      id: `${source} ${id}`,
      source,
      metric: type,
      ...(subject === undefined || subject === null ? {} : { tenantId: subject }),
      ...(time === undefined || time === null ? {} : { ts: time }),
      ...(correlationid === undefined || correlationid === null ? {} : { correlationId: correlationid }),
    },
    fieldNames: FIELD_NAMES,
  };
}
