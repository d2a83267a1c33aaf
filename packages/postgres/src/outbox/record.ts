/** Puts an event into the outbox with somebody's own transaction. */

/** As much of a client as is needed: `pg`'s, or whatever wraps it. */
export interface QueryableTransaction {
  query(text: string, values: unknown[]): Promise<{ rows: Record<string, unknown>[] }>;
}

export type Recorded =
  | { readonly outcome: 'recorded' }
  /** The tenant's lane is at its bound: nobody relays it, or not fast enough. */
  | { readonly outcome: 'buffer_full'; readonly waiting: bigint }
  /** The transaction named a scope that the tenant does not lie in. */
  | { readonly outcome: 'out_of_scope' };

/**
 * Nothing but the outcome says that it was refused: the transaction goes on, and is its owner's to end.
 * @param event as eventToJson() writes it
 */
export async function recordUsage(
  transaction: QueryableTransaction,
  tenantId: string,
  event: string,
): Promise<Recorded> {
  const { rows } = await transaction.query('SELECT outcome, waiting FROM meterhouse.record_usage($1, $2)', [
    tenantId,
    event,
  ]);
  const [row] = rows;
  switch (row?.['outcome']) {
    case 'recorded':
      return { outcome: 'recorded' };
    case 'buffer_full':
      return { outcome: 'buffer_full', waiting: BigInt(String(row['waiting'])) };
    case 'out_of_scope':
      return { outcome: 'out_of_scope' };
    default:
      throw new Error(`record_usage answered ${JSON.stringify(row?.['outcome'])}`);
  }
}
