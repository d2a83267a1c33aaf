/**
 * Guarantees of normalization:
 *  - A number, BigInt or text becomes the one canonical decimal string of the same quantity, to the last
 *    digit, or it is refused; a float that stands for no one decimal is refused.
 *  - Every refusal names the field; nothing that a caller hands over makes it throw.
 *  - What is left out is filled in: value 1, time now, a UUIDv7, the meter's source.
 *  - The result passes the domain's own check of an event, and no later change of the input reaches it.
 */
import { checkShape, formatDecimal, parseDecimal, type UsageEvent } from '@meterhouse/usage';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createIdSource } from './event-id.ts';
import { isInputRefusal, normalizeEvent, type EventDefaults } from './normalize.ts';

const NOW = Date.UTC(2026, 10, 22, 12);
const defaults: EventDefaults = { source: 'test', now: () => NOW, newId: () => 'new-id' };

const normalize = (input: unknown) => normalizeEvent(input, defaults);
const withFields = (fields: object) => normalize({ tenantId: 'acme', metric: 'api.calls', ...fields });

function accepted(fields: object): UsageEvent {
  const event = withFields(fields);
  if (isInputRefusal(event)) throw new Error(`refused: ${event.field} ${event.detail}`);
  return event;
}

function refused(input: unknown) {
  const outcome = normalize(input);
  if (!isInputRefusal(outcome)) throw new Error(`accepted: ${JSON.stringify(outcome)}`);
  return outcome;
}

describe('an event', () => {
  it('gets what is left out', () => {
    expect(accepted({})).toEqual({
      id: 'new-id',
      tenantId: 'acme',
      metric: 'api.calls',
      value: '1',
      ts: NOW,
      unit: null,
      source: 'test',
      attrs: {},
      correlationId: null,
      attribution: null,
    });
  });

  it('keeps what is given', () => {
    const given = {
      id: 'e-1',
      value: '2.5',
      ts: NOW - 1,
      unit: 'call',
      source: 'gateway',
      attrs: { model: 'm', ключ: 'значение', constructor: 'c' },
      correlationId: 'c-1',
      attribution: { team: 'search' },
    };
    expect(accepted(given)).toEqual({ tenantId: 'acme', metric: 'api.calls', ...given });
  });

  it('is not changed by what the caller does to the input afterwards', () => {
    const attrs = { model: 'before' };
    const event = accepted({ attrs });
    attrs.model = 'after';
    expect(event.attrs).toEqual({ model: 'before' });
  });

  it('gets a UUIDv7 of its time, each a new one', () => {
    const newId = createIdSource();
    const ids = Array.from({ length: 1_000 }, () => newId(NOW));
    expect(new Set(ids).size).toBe(ids.length);
    const head = NOW.toString(16).padStart(12, '0');
    for (const id of ids)
      expect(id).toMatch(
        new RegExp(`^${head.slice(0, 8)}-${head.slice(8)}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`),
      );
  });
});

describe('a value', () => {
  it.each([
    [0, '0'],
    [-0, '0'],
    [1, '1'],
    [-12.5, '-12.5'],
    [1e-9, '0.000000001'],
    [1.5e-7, '0.00000015'],
    [0.1, '0.1'],
    [9_007_199_254_740_991, '9007199254740991'],
    [123456789012345678901234567890n - 100000000000000000000000000000n, '23456789012345678901234567890'],
    [-5n, '-5'],
    ['007.500', '7.5'],
    ['-0.0', '0'],
    ['1.50', '1.5'],
    ['0.1234567890', '0.123456789'],
    ['99999999999999999999999999999.999999999', '99999999999999999999999999999.999999999'],
  ])('%s becomes %s', (value, text) => {
    expect(accepted({ value }).value).toBe(text);
  });

  it.each<[unknown, string]>([
    [Number.NaN, 'NaN is a number without one exact decimal'],
    [Number.POSITIVE_INFINITY, 'Infinity is a number'],
    [0.1 + 0.2, '0.30000000000000004 is a number'],
    [1 / 3, 'is a number without one exact decimal'],
    [2 ** 53, 'is a number without one exact decimal'],
    [1e21, 'is a number without one exact decimal'],
    [1e-10, 'is a number without one exact decimal'],
    ['1e3', '"1e3" is not a plain decimal'],
    ['+1', 'is not a plain decimal'],
    [' 1', 'is not a plain decimal'],
    ['', 'is not a plain decimal'],
    ['0x10', 'is not a plain decimal'],
    ['1,5', 'is not a plain decimal'],
    ['.5', 'is not a plain decimal'],
    ['٣', 'is not a plain decimal'],
    ['1\n', 'is not a plain decimal'],
    ['NaN', 'is not a plain decimal'],
    ['0.1234567891', 'has more than 9 decimals'],
    ['100000000000000000000000000000', 'has more than 29 digits before the point'],
    [10n ** 29n, 'has more than 29 digits before the point'],
    [-(10n ** 40n), 'has more than 29 digits before the point'],
    ['9'.repeat(65), 'is not a plain decimal'],
  ])('%s is refused', (value, detail) => {
    expect(refused({ tenantId: 'acme', metric: 'm', value })).toEqual({
      reason: 'invalid_value',
      field: 'value',
      detail: expect.stringContaining(detail) as string,
    });
  });

  it('is the same quantity as every decimal text, in its one canonical form', () => {
    const limit = 10n ** 38n - 1n;
    const spelled = fc.tuple(fc.bigInt({ min: -limit, max: limit }), fc.nat(3), fc.nat(3));
    fc.assert(
      fc.property(spelled, ([billionths, leadingZeros, trailingZeros]) => {
        const canonical = formatDecimal(billionths);
        const digits = canonical.replace('-', '');
        const spelling =
          (billionths < 0n ? '-' : '') +
          '0'.repeat(leadingZeros) +
          (digits.includes('.') ? digits + '0'.repeat(trailingZeros) : digits);
        const { value } = accepted({ value: spelling });
        expect(value).toBe(canonical);
        expect(parseDecimal(value)).toBe(billionths);
      }),
    );
  });

  it('of a BigInt is its digits', () => {
    const limit = 10n ** 29n - 1n;
    fc.assert(
      fc.property(fc.bigInt({ min: -limit, max: limit }), (value) => {
        expect(accepted({ value }).value).toBe(value.toString());
      }),
    );
  });

  it('of a number is the decimal that was written, or refused', () => {
    fc.assert(
      fc.property(fc.oneof(fc.double(), fc.float(), fc.integer(), fc.maxSafeInteger()), (value) => {
        const event = withFields({ value });
        if (isInputRefusal(event)) return;
        expect(Number(event.value)).toBe(value === 0 ? 0 : value);
        expect(event.value.replace(/[-.]/g, '').replace(/^0+/, '').length).toBeLessThanOrEqual(16);
      }),
    );
  });

  it('of a number with up to 15 digits, 9 of them decimals, is always taken', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -999_999_999_999_999, max: 999_999_999_999_999 }),
        fc.nat(9),
        (digits, places) => {
          const written = formatDecimal(BigInt(digits) * 10n ** BigInt(9 - places));
          expect(accepted({ value: Number(written) }).value).toBe(written);
        },
      ),
    );
  });
});

describe('a time', () => {
  it.each([
    [new Date(NOW - 5), NOW - 5],
    [NOW - 5, NOW - 5],
    [0, 0],
    ['2026-11-22T12:00:00Z', NOW],
    ['2026-11-22T13:00:00.25+01:00', NOW + 250],
    ['0001-01-01T00:00:00Z', -62_135_596_800_000],
    ['9999-12-31T23:59:59.999Z', 253_402_300_799_999],
  ])('%s is taken', (ts, instant) => {
    expect(accepted({ ts }).ts).toBe(instant);
  });

  it.each<[unknown, string]>([
    [new Date(Number.NaN), 'is NaN, not a whole number'],
    [Number.NaN, 'is NaN, not a whole number'],
    [1.5, 'is 1.5, not a whole number'],
    [Number.POSITIVE_INFINITY, 'is Infinity'],
    [253_402_300_800_000, 'years 0000 and 9999'],
    ['2026-11-22 12:00:00', 'is not RFC 3339 with a zone'],
    ['2026-11-22T12:00:00', 'is not RFC 3339 with a zone'],
    ['2026-02-30T12:00:00Z', 'is not RFC 3339 with a zone'],
    ['yesterday', 'is not RFC 3339 with a zone'],
    [null, 'is neither a Date'],
    [true, 'is neither a Date'],
  ])('%s is refused', (ts, detail) => {
    expect(refused({ tenantId: 'acme', metric: 'm', ts })).toMatchObject({
      reason: 'invalid_event',
      field: 'ts',
      detail: expect.stringContaining(detail) as string,
    });
  });
});

describe('a refusal', () => {
  const attrsOf = (json: string) => JSON.parse(json) as object;
  const many = Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`k${i}`, 'x']));

  it.each<[string, object, string]>([
    ['no tenant', { tenantId: undefined }, 'tenantId'],
    ['an empty tenant', { tenantId: '' }, 'tenantId'],
    ['a tenant with a space', { tenantId: 'a b' }, 'tenantId'],
    ['a long tenant', { tenantId: 'a'.repeat(129) }, 'tenantId'],
    ['a tenant with a line end', { tenantId: 'acme\n' }, 'tenantId'],
    ['a number as metric', { metric: 5 }, 'metric'],
    ['a metric that begins with a digit', { metric: '5xx' }, 'metric'],
    ['an empty id', { id: '' }, 'id'],
    ['a long id', { id: 'x'.repeat(257) }, 'id'],
    ['an id with NUL', { id: 'a\0b' }, 'id'],
    ['half a surrogate pair', { id: '\ud800' }, 'id'],
    ['an empty unit', { unit: '' }, 'unit'],
    ['a value of another kind', { value: { amount: 1 } }, 'value'],
    ['a value of null', { value: null }, 'value'],
    ['a text as attrs', { attrs: 'model=m' }, 'attrs'],
    ['a list as attrs', { attrs: ['m'] }, 'attrs'],
    ['a number in attrs', { attrs: { model: 5 } }, 'attrs.model'],
    ['undefined in attrs', { attrs: { model: undefined } }, 'attrs.model'],
    ['NUL in an attribute', { attrs: { model: 'a\0' } }, 'attrs.model'],
    ['NUL in a key', { attrs: { 'a\0': 'm' } }, 'attrs key'],
    ['an empty key', { attrs: { '': 'm' } }, 'attrs.'],
    ['a 1 MB attribute', { attrs: { model: 'm'.repeat(1_000_000) } }, 'attrs.model'],
    ['a long key', { attrs: { ['k'.repeat(65)]: 'm' } }, 'attrs.kkk'],
    ['33 attributes', { attrs: many }, 'attrs'],
    ['__proto__ in attrs', { attrs: attrsOf('{"__proto__":"x"}') }, 'attrs.__proto__'],
    ['__proto__ in the attribution', { attribution: attrsOf('{"__proto__":{}}') }, 'attribution.__proto__'],
    ['a field that events do not have', { tenant: 'acme' }, 'tenant'],
    ['__proto__ as a field', attrsOf('{"__proto__":{"value":"5"}}'), '__proto__'],
    ['a long correlation id', { correlationId: 'x'.repeat(257) }, 'correlationId'],
  ])('of %s names the field', (_name, fields, field) => {
    const input = Object.defineProperties(
      { tenantId: 'acme', metric: 'm' },
      Object.getOwnPropertyDescriptors(fields),
    );
    const refusal = refused(input);
    expect(refusal.reason).toBe('invalid_event');
    expect(refusal.field).toContain(field);
    expect(refusal.detail.length).toBeLessThanOrEqual(300);
  });

  it.each([[undefined], [null], [5], ['event'], [[]], [() => 1], [new Map()]])(
    'of %s is no exception',
    (input) => {
      expect(refused(input).reason).toBe('invalid_event');
    },
  );

  it('of an input that throws when it is read is no exception', () => {
    const broken = new Proxy(
      {},
      {
        ownKeys: () => {
          throw new Error('no keys today');
        },
      },
    );
    const getter = {
      tenantId: 'acme',
      get metric(): string {
        throw new Error('no metric today');
      },
    };
    expect(refused(broken)).toMatchObject({ field: 'event' });
    expect(refused(getter)).toMatchObject({ field: 'event', detail: 'cannot be read: no metric today' });
  });

  it('or an event that the domain accepts is what anything becomes', () => {
    const field = fc.oneof(
      fc.anything(),
      fc.string({ unit: 'binary' }),
      fc.dictionary(fc.string(), fc.string()),
    );
    const names = fc.constantFrom(
      'id',
      'value',
      'ts',
      'unit',
      'source',
      'attrs',
      'correlationId',
      'attribution',
    );
    fc.assert(
      fc.property(fc.dictionary(names, field), (fields) => {
        const outcome = withFields(fields);
        if (isInputRefusal(outcome)) expect(outcome.field).not.toBe('');
        else expect(checkShape(outcome)).toBeNull();
      }),
      { numRuns: 1_000 },
    );
  });
});
