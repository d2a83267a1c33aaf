/** What `meterhouse reconcile` found, on a few lines. Pure. */
import { z } from 'zod';
import { tableLines, type Column } from '../screen/table.ts';
import { counted, withThousands } from '../screen/words.ts';
import type { Palette } from '../screen/palette.ts';

const total = z.object({ events: z.string(), sum: z.string() });
const answer = z.object({
  verdict: z.enum(['equal', 'equal_as_far_as_kept', 'different']),
  problems: z.array(z.string()),
  metrics: z.array(
    z.object({
      metric: z.string(),
      producers: total.nullable(),
      kafka: total,
      postgres: total,
      waiting: total,
      discarded: total,
    }),
  ),
  buckets: z.object({ compared: z.number(), different: z.number() }),
  mirror: z.object({ clickhouseBuckets: z.number(), different: z.number() }).nullable(),
});

export type Reconciliation = z.infer<typeof answer>;

/** @param json what the command printed under --json */
export function parseReconciliation(json: unknown): Reconciliation {
  return answer.parse(json);
}

export function reconciliationLines(one: Reconciliation, paint: Palette): string[] {
  const column = (title: string): Column => ({ title: paint.dim(title), align: 'right' });
  const rows = one.metrics.map(({ metric, producers, kafka, postgres, waiting, discarded }) => [
    metric,
    producers === null ? '' : withThousands(producers.events),
    withThousands(kafka.events),
    withThousands(postgres.events),
    withThousands(BigInt(waiting.events) + BigInt(discarded.events)),
    withThousands(postgres.sum),
  ]);
  const columns = [
    { title: paint.dim('distinct events'), align: 'left' },
    column('producers say'),
    column('in Kafka'),
    column('= counted'),
    column('+ quarantined'),
    column('sum counted'),
  ] as const;
  return [...tableLines(columns, rows), verdictLine(one, paint)];
}

function verdictLine(one: Reconciliation, paint: Palette): string {
  const compared = `${counted(one.buckets.compared, 'bucket')} of Postgres recounted from Kafka${
    one.mirror === null
      ? ''
      : ` and compared with ${withThousands(one.mirror.clickhouseBuckets)} of ClickHouse`
  }`;
  switch (one.verdict) {
    case 'equal':
      return `${paint.good(paint.bold('EQUAL'))}  nothing lost, nothing counted twice ${paint.dim(`(${compared})`)}`;
    case 'equal_as_far_as_kept':
      return `${paint.good(paint.bold('EQUAL'))}  as far as Kafka still holds it ${paint.dim(`(${compared})`)}`;
    case 'different':
      return `${paint.bad(paint.bold('DIFFERENT'))}  ${one.problems.join(', ').replaceAll('_', ' ')}: npx meterhouse reconcile`;
  }
}
