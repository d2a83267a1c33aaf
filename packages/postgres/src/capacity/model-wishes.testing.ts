/** What the clients of the model test do, at random. */
import fc from 'fast-check';

/** How often one operation is carried out: an answer may get lost, and impatient clients ask twice at once. */
export type Delivery = 'once' | 'answer lost' | 'twice at once';

/** What a client does, before it is known which reservations there are. */
export interface Wish {
  readonly what: 'reserve' | 'confirm' | 'renew' | 'release' | 'resize';
  readonly delivery: Delivery;
  readonly pool: number;
  readonly tenantId: string;
  readonly key: number;
  readonly units: bigint;
  readonly ttlMs: number;
  /** Which of the reservations that are known, and which of the tokens that it has had, latest first. */
  readonly reservation: number;
  readonly token: number;
}

export interface Round {
  /** The clock moves by this between rounds; in a round it stands still. */
  readonly passMs: number;
  readonly wishes: readonly Wish[];
  /** Sessions that are ended while the round is under way. */
  readonly kills: number;
}

const often = <T>(weight: number, value: T) => ({ weight, arbitrary: fc.constant(value) });

const wish: fc.Arbitrary<Wish> = fc.record({
  what: fc.oneof(
    often<Wish['what']>(8, 'reserve'),
    often<Wish['what']>(3, 'confirm'),
    often<Wish['what']>(4, 'renew'),
    often<Wish['what']>(3, 'release'),
    often<Wish['what']>(1, 'resize'),
  ),
  delivery: fc.oneof(
    often<Delivery>(4, 'once'),
    often<Delivery>(2, 'answer lost'),
    often<Delivery>(1, 'twice at once'),
  ),
  pool: fc.nat(1),
  tenantId: fc.oneof(often(6, 'acme'), often(3, 'beta'), often(1, 'nobody')),
  key: fc.nat(7),
  units: fc.bigInt(1n, 4n),
  ttlMs: fc.constantFrom(10, 20, 50),
  reservation: fc.nat(20),
  token: fc.oneof(often(5, 0), often(1, 1)),
});

export const round: fc.Arbitrary<Round> = fc.record({
  passMs: fc.constantFrom(0, 0, 5, 10, 25),
  wishes: fc.array(wish, { minLength: 1, maxLength: 5 }),
  kills: fc.oneof(often(3, 0), often(1, 2)),
});
