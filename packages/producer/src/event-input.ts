/** What a caller may hand over: the usage event's own fields, in the forms that are at hand in code or JSON. */
import { EVENT_LIMITS, METRIC_NAME, TENANT_ID } from '@meterhouse/usage';
import * as z from 'zod';

export interface UsageEventInput {
  /** Default: the tenant of the context, see `withTenant`. */
  readonly tenantId?: string | undefined;
  readonly metric: string;
  /** Default 1. A number only where it has one exact decimal; anything else as a decimal string. */
  readonly value?: string | number | bigint | undefined;
  /** Event time: a Date, RFC 3339 with a zone, or epoch milliseconds. Default now. */
  readonly ts?: Date | string | number | undefined;
  /** Default a new UUIDv7. The same id always carries the same content. */
  readonly id?: string | undefined;
  /** Checked against the metric's unit when given. */
  readonly unit?: string | null | undefined;
  /** Default the meter's source. */
  readonly source?: string | undefined;
  readonly attrs?: Readonly<Record<string, string>> | undefined;
  /** Default: that of the context. */
  readonly correlationId?: string | null | undefined;
  /** Who or what within the tenant the usage is put down to. Default, for the context's tenant: the context's. */
  readonly attribution?: Readonly<Record<string, string>> | null | undefined;
}

const text = (maxLength: number, minLength = 0) => z.string().min(minLength).max(maxLength);

const texts = z
  .record(text(EVENT_LIMITS.attrKeyLength, 1), text(EVENT_LIMITS.attrValueLength))
  .meta({ maxProperties: EVENT_LIMITS.attrs });

const tenantId = z.string().regex(TENANT_ID, `does not match ${TENANT_ID.source}`);

const id = text(EVENT_LIMITS.idLength, 1).optional();

const fields = {
  metric: z.string().regex(METRIC_NAME, `does not match ${METRIC_NAME.source}`),
  unit: text(EVENT_LIMITS.nameLength, 1).nullish(),
  source: text(EVENT_LIMITS.idLength).optional(),
  attrs: texts.optional(),
  correlationId: text(EVENT_LIMITS.idLength).nullish(),
  attribution: texts.nullish(),
};

const TS_WORDS = 'is neither a Date, nor RFC 3339 text, nor epoch milliseconds';
const VALUE_WORDS = 'is neither a decimal text, nor a number, nor a BigInt';

/** The shape of UsageEventInput. NaN and infinities pass here and are refused as values, by name. */
export const eventInputShape = z.strictObject({
  id,
  tenantId: tenantId.optional(),
  ...fields,
  value: z.union([z.string(), z.custom<number>(isNumber), z.bigint()], VALUE_WORDS).optional(),
  ts: z.union([z.string(), z.custom<number>(isNumber), z.custom<Date>(isDate)], TS_WORDS).optional(),
});

function isNumber(value: unknown): boolean {
  return typeof value === 'number';
}

function isDate(value: unknown): boolean {
  return value instanceof Date;
}

/** The same event as JSON: what a line of JSONL or an HTTP body holds. */
export const eventJsonShape = z
  .strictObject({
    id,
    tenantId,
    ...fields,
    value: z
      .union([z.string().regex(/^-?[0-9]{1,29}(\.[0-9]{1,9})?$/), z.number()])
      .meta({
        default: '1',
        description: 'Decimal: at most 29 digits before the point and 9 after. As text it is exact.',
      })
      .optional(),
    ts: z
      .union([z.iso.datetime({ offset: true }), z.int()])
      .meta({
        description: 'Event time: RFC 3339 with a zone, or epoch milliseconds. Default: the time of receipt.',
      })
      .optional(),
  })
  .meta({
    $id: 'urn:meterhouse:usage-event',
    title: 'UsageEvent',
    description:
      'An immutable fact: a tenant used some amount of a metric at an instant. The same id always carries the same content.',
  });
