/** What producers say they sent, where they say it: the first column of a reconciliation. */
import { decimalFromStore, formatDecimal, type Billionths } from '@meterhouse/usage';
import type { Db } from './pool.ts';

/** Distinct acknowledged events of one metric. */
export interface ProducerTotal {
  readonly events: bigint;
  readonly sum: Billionths;
}

/** By metric. */
export type ProducerTotals = ReadonlyMap<string, ProducerTotal>;

type StoredTotals = Readonly<Record<string, { readonly events: string; readonly sum: string }>>;

/** The last word of a source stands. */
export async function saveProducerReport(db: Db, source: string, totals: ProducerTotals): Promise<void> {
  const stored: StoredTotals = Object.fromEntries(
    [...totals].map(([metric, { events, sum }]) => [
      metric,
      { events: events.toString(), sum: formatDecimal(sum) },
    ]),
  );
  await db.query(
    `INSERT INTO meterhouse.producer_reports (source, totals) VALUES ($1, $2)
     ON CONFLICT (source) DO UPDATE SET totals = excluded.totals, reported_at = now()`,
    [source, JSON.stringify(stored)],
  );
}

/** Every report, by the `source` that its events carry. */
export async function readProducerReports(db: Db): Promise<ReadonlyMap<string, ProducerTotals>> {
  const result = await db.query<{ source: string; totals: StoredTotals }>(
    'SELECT source, totals FROM meterhouse.producer_reports ORDER BY source',
  );
  return new Map(
    result.rows.map(({ source, totals }) => [
      source,
      new Map(
        Object.entries(totals).map(([metric, { events, sum }]) => [
          metric,
          { events: BigInt(events), sum: decimalFromStore(sum) },
        ]),
      ),
    ]),
  );
}
