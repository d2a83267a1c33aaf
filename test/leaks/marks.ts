/**
 * Marks that say whose a text is. Every text of tenant 7 has `zq7t` in it, every id of its things
 * `zq7i`, and its usage is 2^(7 + 12), so that a sum tells whose
 * usage is in it, and what is less than 2^12 is nobody's.
 */

const FIRST_BIT = 12;

export const textMark = (tenant: number): string => `zq${tenant}t`;
export const idMark = (tenant: number): string => `zq${tenant}i`;
export const usageMark = (tenant: number): string => (1n << BigInt(tenant + FIRST_BIT)).toString();

export interface Marks {
  /** Tenants whose own texts are there, or whose usage is. */
  readonly texts: ReadonlySet<number>;
  /** Tenants of whose things a name is there. */
  readonly ids: ReadonlySet<number>;
}

const MARK = /zq(\d+)([ti])/g;
/** Ids that the system gives: UUIDs, and those of keys. */
const GIVEN_ID = /\b(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{16})\b/g;
const USAGE = /"(?:sum|used|min|max|latest|remaining)":"(\d+)"/g;
/** A message comes as base64. */
const PAYLOAD = /"payload":"([A-Za-z0-9+/=]+)"/g;

/** @param givenIds whose thing it is that has the id */
export function marksIn(answer: string, givenIds: ReadonlyMap<string, number>): Marks {
  const payloads = [...answer.matchAll(PAYLOAD)].map(([, text = '']) =>
    Buffer.from(text, 'base64').toString(),
  );
  const text = [answer, ...payloads].join('\n');
  const texts = new Set<number>();
  const ids = new Set<number>();
  for (const [, tenant, kind] of text.matchAll(MARK)) (kind === 't' ? texts : ids).add(Number(tenant));
  for (const [id] of text.matchAll(GIVEN_ID)) {
    const owner = givenIds.get(id);
    if (owner !== undefined) ids.add(owner);
  }
  for (const [, amount = '0'] of text.matchAll(USAGE))
    for (const tenant of bitsOf(BigInt(amount))) texts.add(tenant);
  return { texts, ids };
}

function* bitsOf(amount: bigint): Generator<number> {
  let rest = amount;
  for (let bit = 0; rest > 0n; bit++, rest >>= 1n)
    if ((rest & 1n) === 1n && bit >= FIRST_BIT) yield bit - FIRST_BIT;
}
