/** From what a caller hands over to the one form that an event has from here on. Pure. */
import {
  checkShape,
  decimalFromNumber,
  formatDecimal,
  parseDecimal,
  parseInstant,
  TENANT_ID,
  type DecimalProblem,
  type UsageEvent,
} from '@meterhouse/usage';
import { eventInputShape, type UsageEventInput } from './event-input.ts';
import { readPlainEvent } from './plain-event.ts';
import type { OpenContext } from './tenant-context.ts';

/** Why an event was not taken, with the field, in words for the one who sent it. */
export interface InputRefusal {
  readonly reason: 'invalid_event' | 'invalid_value';
  readonly field: string;
  readonly detail: string;
}

/** What fills in the fields that the caller leaves out. */
export interface EventDefaults {
  readonly source: string;
  /** Epoch ms. */
  readonly now: () => number;
  /** A new event's id; gets the time of its making, epoch ms. */
  readonly newId: (nowMs: number) => string;
  /** Asked once an event; none unless given. */
  readonly context?: () => OpenContext | undefined;
}

/** @param input anything at all: what is not an event is refused, never thrown on */
export function normalizeEvent(input: unknown, defaults: EventDefaults): UsageEvent | InputRefusal {
  try {
    return normalize(input, defaults);
  } catch (error) {
    // A getter or a proxy of the caller's that throws must not throw through us.
    return refuse('event', `cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

export function isInputRefusal(outcome: UsageEvent | InputRefusal): outcome is InputRefusal {
  return 'reason' in outcome;
}

function normalize(input: unknown, defaults: EventDefaults): UsageEvent | InputRefusal {
  const given = readPlainEvent(input) ?? readByShape(input);
  if ('reason' in given) return given;
  const context = defaults.context?.();
  const tenantId = given.tenantId ?? tenantOf(context);
  if (typeof tenantId !== 'string') return tenantId;
  const value = decimalOf(given.value ?? 1);
  if (typeof value !== 'string') return value;
  const nowMs = defaults.now();
  const ts = instantOf(given.ts ?? nowMs);
  if (typeof ts !== 'number') return ts;
  const event: UsageEvent = {
    id: given.id ?? defaults.newId(nowMs),
    tenantId,
    metric: given.metric,
    value,
    ts,
    unit: given.unit ?? null,
    source: given.source ?? defaults.source,
    attrs: given.attrs ?? {},
    correlationId: given.correlationId === undefined ? (context?.correlationId ?? null) : given.correlationId,
    attribution: given.attribution === undefined ? attributionOf(context, tenantId) : given.attribution,
  };
  const problem = checkShape(event);
  return problem === null ? event : refuse(problem.field ?? 'event', problem.detail);
}

/** What is plain was read already; this has words for what is not. Exported for the comparison of the two. */
export function readByShape(input: unknown): UsageEventInput | InputRefusal {
  const parsed = eventInputShape.safeParse(input);
  if (!parsed.success) return refuseShape(parsed.error.issues[0]);
  const raw = input as UsageEventInput;
  return refuseProto('attrs', raw.attrs) ?? refuseProto('attribution', raw.attribution) ?? parsed.data;
}

/** Who acts for one tenant is nothing that another tenant's events may tell. */
export function attributionOf(context: OpenContext | undefined, tenantId: string): UsageEvent['attribution'] {
  return context?.tenantId === tenantId ? context.attribution : null;
}

function tenantOf(context: OpenContext | undefined): string | InputRefusal {
  if (context === undefined)
    return refuse('tenantId', 'is missing: give it with the event, or record inside withTenant()');
  return TENANT_ID.test(context.tenantId)
    ? context.tenantId
    : refuse('tenantId', `of the context does not match ${TENANT_ID.source}`);
}

/** The shape that zod reports on; it names the field by its path. */
function refuseShape(
  issue:
    { readonly path: readonly PropertyKey[]; readonly message: string; readonly keys?: unknown } | undefined,
): InputRefusal {
  const path = issue?.path.map(String).join('.') ?? '';
  const unknownKey: unknown = Array.isArray(issue?.keys) ? issue.keys[0] : undefined;
  if (typeof unknownKey === 'string') return refuse(unknownKey, 'is not a field of a usage event');
  return refuse(path === '' ? 'event' : path, issue?.message ?? 'is not a usage event');
}

/** zod leaves such an entry out, and JavaScript cannot carry it safely: refuse it instead of losing it. */
function refuseProto(
  field: string,
  map: Readonly<Record<string, string>> | null | undefined,
): InputRefusal | null {
  if (map === null || map === undefined || !Object.hasOwn(map, '__proto__')) return null;
  return refuse(`${field}.__proto__`, 'is not a name that an attribute may have');
}

/** The canonical decimal string of the value. */
function decimalOf(value: string | number | bigint): string | InputRefusal {
  // It is its own canonical text.
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value === 0 ? '0' : value.toString();
  const text = typeof value === 'number' ? decimalFromNumber(value) : value.toString();
  if (text === null)
    return invalidValue(
      `${String(value)} is a number without one exact decimal of at most 15 digits, 9 of them after the point; pass the amount as a decimal string`,
    );
  const parsed = parseDecimal(text);
  return typeof parsed === 'bigint' ? formatDecimal(parsed) : invalidValue(describe(text, parsed));
}

function describe(text: string, problem: DecimalProblem): string {
  const shown = JSON.stringify(text.slice(0, 80));
  switch (problem) {
    case 'not_a_decimal':
      return `${shown} is not a plain decimal such as -12.5`;
    case 'too_many_decimals':
      return `${shown} has more than 9 decimals`;
    case 'too_large':
      return `${shown} has more than 29 digits before the point`;
  }
}

function instantOf(ts: Date | string | number): number | InputRefusal {
  if (typeof ts === 'string') return parseInstant(ts) ?? refuse('ts', 'is not RFC 3339 with a zone');
  const instant = typeof ts === 'number' ? ts : ts.getTime();
  return Number.isInteger(instant)
    ? instant
    : refuse('ts', `is ${String(instant)}, not a whole number of epoch milliseconds`);
}

function invalidValue(detail: string): InputRefusal {
  return { reason: 'invalid_value', field: 'value', detail };
}

function refuse(field: string, detail: string): InputRefusal {
  return { reason: 'invalid_event', field: field.slice(0, 100), detail: detail.slice(0, 300) };
}
