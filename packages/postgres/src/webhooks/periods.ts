/** Up to when ended periods were looked at once more. Instants are epoch ms, on the hour. */
import type { Db } from '../pool.ts';

/** The first who asks says where it begins. */
export async function settledThrough(db: Db, begin: number): Promise<number> {
  await db.query(
    'INSERT INTO meterhouse.webhook_periods (settled_through) VALUES ($1) ON CONFLICT DO NOTHING',
    [new Date(begin)],
  );
  const result = await db.query<{ settled_through: Date }>(
    'SELECT settled_through FROM meterhouse.webhook_periods',
  );
  return result.rows[0]?.settled_through.getTime() ?? begin;
}

/** Never moves back. */
export async function noteSettled(db: Db, through: number): Promise<void> {
  await db.query('UPDATE meterhouse.webhook_periods SET settled_through = greatest(settled_through, $1)', [
    new Date(through),
  ]);
}
