/** `--expected`: what was sent in all, by metric, as somebody else counted it. */
import { z } from 'zod';
import type { ProducerTotals } from '@meterhouse/postgres';
import { decimalFromStore, METRIC_NAME } from '@meterhouse/usage';
import { ProblemsError, problemsOf } from '../problems.ts';

const WIDE_DECIMAL = /^-?[0-9]{1,60}(\.[0-9]{1,9})?$/;
const expectedFile = z.record(
  z.string().regex(METRIC_NAME, 'is not a metric name'),
  z.strictObject({
    events: z.string().regex(/^[0-9]{1,18}$/, 'must be a whole number as text'),
    sum: z.string().regex(WIDE_DECIMAL, 'must be a decimal as text'),
  }),
);

/** `{"<metric>": {"events": "123", "sum": "456.7"}}` */
export function parseExpectedFile(fileName: string, source: string): ProducerTotals {
  const parsed = expectedFile.safeParse(jsonOf(fileName, source));
  if (!parsed.success)
    throw new ProblemsError(`${fileName} does not hold expected totals`, problemsOf(parsed.error));
  return new Map(
    Object.entries(parsed.data).map(([metric, { events, sum }]) => [
      metric,
      { events: BigInt(events), sum: decimalFromStore(sum) },
    ]),
  );
}

function jsonOf(fileName: string, source: string): unknown {
  try {
    return JSON.parse(source);
  } catch (error) {
    throw new ProblemsError(`${fileName} is not JSON`, [
      error instanceof Error ? error.message : String(error),
    ]);
  }
}
