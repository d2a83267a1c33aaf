/**
 * The batch route of Lago. A batch with one bad event is refused whole, with the errors of each by its
 * position. A repeated `transaction_id` is such an error; to us it says that the event is there.
 */
import type { UsageEvent } from '@meterhouse/usage';
import * as z from 'zod';
import type { Rejection } from '../../../transport.ts';
import { jsonOf, type SinkFormat, type SinkOutcome } from '../sink-format.ts';

const REPEATED = 'value_already_exist';

const problemShape = z.object({
  error_details: z.record(z.string().regex(/^\d+$/), z.record(z.string(), z.array(z.string()))),
});

const OUR_FIELD: Readonly<Record<string, string>> = {
  transaction_id: 'id',
  external_subscription_id: 'tenantId',
  code: 'metric',
  timestamp: 'ts',
};

export function lagoFormat(valueProperty: string): SinkFormat {
  return {
    path: '/api/v1/events/batch',
    contentType: 'application/json',
    gzip: false,
    body: (events) => JSON.stringify({ events: events.map((event) => written(event, valueProperty)) }),
    outcomes: ({ status, text }, events) => {
      if (status !== 422) return null;
      const problem = problemShape.safeParse(jsonOf(text));
      if (!problem.success || Object.keys(problem.data.error_details).length === 0) return null;
      const { error_details: errors } = problem.data;
      // Nothing of the batch was taken: what has no error goes again.
      return events.map((_, index): SinkOutcome => {
        const of = errors[String(index)];
        return of === undefined ? 'again' : isRepeated(of) ? 'taken' : rejection(of);
      });
    },
  };
}

/** A value as text, so that it stays exact; the time in seconds, to the millisecond. */
function written(
  { id, tenantId, metric, ts, value, attrs }: UsageEvent,
  valueProperty: string,
): Record<string, unknown> {
  const whole = Math.floor(ts / 1_000);
  return {
    transaction_id: id,
    external_subscription_id: tenantId,
    code: metric,
    timestamp: `${whole}.${String(ts - whole * 1_000).padStart(3, '0')}`,
    properties: { ...attrs, [valueProperty]: value },
  };
}

/** Nothing else is wrong with it. */
function isRepeated(errors: Readonly<Record<string, readonly string[]>>): boolean {
  const words = Object.entries(errors).flatMap(([field, said]) => said.map((word) => `${field} ${word}`));
  return words.length > 0 && words.every((word) => word === `transaction_id ${REPEATED}`);
}

function rejection(errors: Readonly<Record<string, readonly string[]>>): Rejection {
  const [first] = Object.entries(errors);
  const [field = 'event', said = []] = first ?? [];
  return { field: OUR_FIELD[field] ?? field, detail: said.join(', ') };
}
