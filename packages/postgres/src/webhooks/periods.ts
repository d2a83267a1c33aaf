/** Up to when ended periods were looked at once more, by kind of period. Instants are epoch ms. */
import type { Period } from '@meterhouse/usage';
import type { Db } from '../pool.ts';

/** The first who asks says where it begins. */
export async function settledThrough(db: Db, period: Period, begin: number): Promise<number> {
  await db.query(
    `INSERT INTO meterhouse.webhook_periods (period, settled_through) VALUES ($1, $2) ON CONFLICT DO NOTHING`,
    [period, new Date(begin)],
  );
  const result = await db.query<{ settled_through: Date }>(
    'SELECT settled_through FROM meterhouse.webhook_periods WHERE period = $1',
    [period],
  );
  return result.rows[0]?.settled_through.getTime() ?? begin;
}

/** Never moves back. */
export async function noteSettled(db: Db, period: Period, through: number): Promise<void> {
  await db.query(
    `UPDATE meterhouse.webhook_periods SET settled_through = greatest(settled_through, $2) WHERE period = $1`,
    [period, new Date(through)],
  );
}
