/**
 * Guarantees of reading plain events without the shape:
 *  - Whatever is handed over, it says null or exactly what the shape makes of it: no refusal is lost or
 *    reworded, no field changed.
 *  - It does know the events that callers write down: else it would save nothing.
 *  - What it gives is a copy, of values that were read once.
 */
import { EVENT_LIMITS } from '@meterhouse/usage';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readByShape } from './normalize.ts';
import { readPlainEvent } from './plain-event.ts';

/** Texts about the limits, names that JavaScript minds, and anything. */
const limits = [0, 1, 64, 65, 128, 129, 256, 257];
const text = fc.oneof(
  fc.constantFrom(...limits.map((length) => 'x'.repeat(length)), 'acme', 'api.calls', '__proto__'),
  fc.constantFrom('constructor', 'toString', 'a b', '\0', '\uD800', 'ключ', '1', 'acme\n'),
  fc.string({ maxLength: 12, unit: 'binary' }),
);
const primitive = fc.oneof(
  text,
  fc.constantFrom(undefined, null, true, Symbol.iterator, () => 1),
  fc.double(),
  fc.integer(),
  fc.bigInt(),
  fc.date({ noInvalidDate: false }),
);
const map = fc.oneof(
  { weight: 6, arbitrary: fc.dictionary(text, text, { maxKeys: 4, noNullPrototype: false }) },
  { weight: 3, arbitrary: fc.dictionary(text, primitive, { maxKeys: 4, noNullPrototype: false }) },
  primitive,
  fc.array(text, { maxLength: 2 }),
  fc.constantFrom<unknown>(
    new Map([['a', 'b']]),
    new (class Attrs {
      readonly model = 'm';
    })(),
    Object.defineProperty({}, 'hidden', { value: 'h' }),
    Object.defineProperty({}, 'hidden', { value: 7 }),
    Object.create({ inherited: 'i' }),
    { [Symbol('s')]: 'x' },
    JSON.parse('{"__proto__":"x"}'),
    JSON.parse('{"constructor":{"prototype":{}}}'),
    { constructor: 'c' },
    { constructor: Map },
    Object.fromEntries(Array.from({ length: EVENT_LIMITS.attrs + 1 }, (_, index) => [`k${index}`, 'v'])),
  ),
);
/** Right more often than not, or an event with ten fields would never be. */
const mostly = (right: fc.Arbitrary<unknown>, wrong: fc.Arbitrary<unknown> = primitive) =>
  fc.oneof({ weight: 12, arbitrary: right }, { weight: 1, arbitrary: wrong });
const shortText = fc.constantFrom('a', 'calls', 'ключ', 'x'.repeat(128), '1', '\0', undefined);
const texts = fc.dictionary(fc.constantFrom('model', '1', 'toString', 'constructor'), fc.string(), {
  maxKeys: 3,
});
const fields = fc.record(
  {
    id: mostly(shortText),
    tenantId: mostly(fc.constantFrom('acme', 'a/b', undefined)),
    metric: mostly(fc.constantFrom('api.calls', 'a')),
    value: mostly(fc.oneof(fc.integer(), fc.double(), fc.bigInt(), fc.string())),
    ts: mostly(fc.oneof(fc.date(), fc.integer(), fc.string())),
    unit: mostly(fc.option(shortText)),
    source: mostly(shortText),
    attrs: mostly(texts, map),
    correlationId: mostly(fc.option(shortText)),
    attribution: mostly(fc.option(texts), map),
  },
  { requiredKeys: ['metric'] },
);
const hostile = fc.oneof(
  { weight: 12, arbitrary: fields },
  fc.tuple(fields, text, primitive).map(([event, key, value]) => ({ ...event, [key]: value })),
  fields.map((event) => Object.create(event) as unknown),
  fields.map((event) => Object.assign(Object.create(null) as object, event)),
  fields.map((event) => Object.defineProperty({ ...event }, 'tenantId', { value: 'hidden tenant' })),
  fields.map((event) => new Proxy(event, {})),
  fields.map((event) => ({ ...event, [Symbol('s')]: 1 })),
  fc.constant(JSON.parse('{"__proto__":{},"metric":"api.calls"}') as unknown),
  map,
);

describe('a plain event', () => {
  it('is read as the shape reads it, or not at all', () => {
    let plain = 0;
    fc.assert(
      fc.property(hostile, (input) => {
        const read = readPlainEvent(input);
        if (read === null) return;
        plain += 1;
        expect(read).toEqual(readByShape(input));
      }),
      { numRuns: 10_000 },
    );
    // Else the property says nothing.
    expect(plain).toBeGreaterThan(500);
  });

  it.each([
    { metric: 'api.calls' },
    { tenantId: 'acme', metric: 'api.calls', value: 12 },
    { tenantId: 'acme', metric: 'api.calls', value: '12.5', ts: '2026-01-01T00:00:00Z', unit: 'calls' },
    { tenantId: 'acme', metric: 'api.calls', value: 3n, ts: new Date(0), id: 'a', source: '' },
    { metric: 'api.calls', attrs: { model: 'large' }, attribution: { user: 'u' }, correlationId: 'c' },
    { metric: 'api.calls', unit: null, attribution: null, correlationId: null, tenantId: undefined },
  ])('is known: $metric, case %#', (event) => {
    expect(readPlainEvent(event)).toEqual(readByShape(event));
  });

  it('is copied: what the caller changes afterwards does not change it', () => {
    const attrs = { model: 'large' };
    const attribution = { user: 'u' };
    const read = readPlainEvent({ metric: 'api.calls', attrs, attribution });
    attrs.model = 'small';
    attribution.user = 'v';
    expect(read).toMatchObject({ attrs: { model: 'large' }, attribution: { user: 'u' } });
  });

  it('is read once, so that a getter cannot show one thing and give another', () => {
    let reads = 0;
    const attrs = Object.defineProperty({}, 'model', {
      enumerable: true,
      get: () => (reads++ === 0 ? 'large' : 7),
    });
    const event = {
      get metric() {
        return reads++ === 0 ? 'api.calls' : 'no metric';
      },
    };
    expect(readPlainEvent({ metric: 'api.calls', attrs })).toMatchObject({ attrs: { model: 'large' } });
    reads = 0;
    expect(readPlainEvent(event)).toMatchObject({ metric: 'api.calls' });
  });
});
