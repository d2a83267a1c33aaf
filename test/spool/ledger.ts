/** What the processes say of their events; pure. */

export interface LedgerEvent {
  readonly id: string;
  readonly tenantId: string;
  /** A whole number. */
  readonly value: string;
}

export interface Ledger {
  /** Events that were given to a meter, by id. */
  readonly offered: ReadonlyMap<string, LedgerEvent>;
  /** Ids of those that it said to have taken. */
  readonly taken: ReadonlySet<string>;
}

export function ledgerLine(mark: '+' | '=', { id, tenantId, value }: LedgerEvent): string {
  return `${mark} ${id} ${tenantId} ${value}\n`;
}

/** @param texts of the files; a last line that a kill has cut off says nothing */
export function readLedger(texts: Iterable<string>): Ledger {
  const offered = new Map<string, LedgerEvent>();
  const taken = new Set<string>();
  for (const text of texts) {
    for (const line of text.split('\n').slice(0, -1)) {
      const [mark, id = '', tenantId = '', value = ''] = line.split(' ');
      if (mark === '+') offered.set(id, { id, tenantId, value });
      else taken.add(id);
    }
  }
  return { offered, taken };
}
