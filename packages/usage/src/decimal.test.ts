/**
 * Guarantees of decimals (I8: a number is never a float between ingest and export):
 *  - Reading and writing are inverse: every quantity of numeric(38, 9) has one canonical text, and every
 *    spelling of it reads as the same quantity.
 *  - What is not a plain decimal, needs more than 9 decimals, or overflows numeric(38, 9) is told by name.
 *  - A JavaScript number becomes the decimal that was written in the source, or nothing.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decimalFromNumber,
  decimalFromStore,
  decimalPlaces,
  formatDecimal,
  parseDecimal,
} from './decimal.ts';

const LIMIT = 10n ** 38n - 1n;
const billionths = fc.bigInt({ min: -LIMIT, max: LIMIT });

describe('I8: a quantity', () => {
  it('comes back from its text', () => {
    fc.assert(
      fc.property(billionths, (value) => {
        expect(parseDecimal(formatDecimal(value))).toBe(value);
        expect(decimalFromStore(formatDecimal(value))).toBe(value);
      }),
    );
  });

  it('reads the same however it is spelled', () => {
    fc.assert(
      fc.property(billionths, fc.nat(10), fc.nat(10), (value, leading, trailing) => {
        const text = formatDecimal(value < 0n ? -value : value);
        const fraction = text.includes('.')
          ? '0'.repeat(trailing)
          : trailing > 0
            ? `.${'0'.repeat(trailing)}`
            : '';
        const spelled = `${value < 0n ? '-' : ''}${'0'.repeat(leading)}${text}${fraction}`;
        fc.pre(spelled.length <= 64);
        expect(parseDecimal(spelled)).toBe(value);
      }),
    );
  });

  it('has a text without zeros that say nothing', () => {
    fc.assert(
      fc.property(billionths, (value) => {
        expect(formatDecimal(value)).toMatch(/^(0|-?(?!0\d|0$)\d+(\.\d{0,8}[1-9])?)$/);
      }),
    );
    expect(parseDecimal('-0')).toBe(0n);
    expect(formatDecimal(0n)).toBe('0');
  });

  it('needs as many places as its text shows', () => {
    fc.assert(
      fc.property(billionths, (value) => {
        expect(decimalPlaces(value)).toBe(formatDecimal(value).split('.')[1]?.length ?? 0);
      }),
    );
  });

  it('of a sum may be wider than an event may be, and is still exact', () => {
    const wide = LIMIT * 10n ** 15n;
    expect(decimalFromStore(formatDecimal(wide))).toBe(wide);
    expect(decimalFromStore('5')).toBe(5_000_000_000n);
    expect(decimalFromStore('5.500000000')).toBe(5_500_000_000n);
  });

  it.each(['', 'x', '1e3', '1.0000000001', 'NaN'])(
    'is not read from %j where a store should have written it',
    (text) => {
      expect(() => decimalFromStore(text)).toThrow(TypeError);
    },
  );
});

describe('a text', () => {
  it.each([
    ['99999999999999999999999999999.999999999', LIMIT],
    ['-99999999999999999999999999999.999999999', -LIMIT],
    ['100000000000000000000000000000', 'too_large'],
    ['-100000000000000000000000000000', 'too_large'],
    ['0.0000000001', 'too_many_decimals'],
    ['0.10000000000', 100_000_000n],
    ['', 'not_a_decimal'],
    ['-', 'not_a_decimal'],
    ['.5', 'not_a_decimal'],
    ['5.', 'not_a_decimal'],
    ['+5', 'not_a_decimal'],
    ['--5', 'not_a_decimal'],
    [' 5', 'not_a_decimal'],
    ['5 ', 'not_a_decimal'],
    ['5\n', 'not_a_decimal'],
    ['5e3', 'not_a_decimal'],
    ['0x5', 'not_a_decimal'],
    ['1_000', 'not_a_decimal'],
    ['1,000', 'not_a_decimal'],
    ['1.000.000', 'not_a_decimal'],
    ['Infinity', 'not_a_decimal'],
    ['NaN', 'not_a_decimal'],
    ['５', 'not_a_decimal'],
    ['0'.repeat(65), 'not_a_decimal'],
  ])('%j reads as %s', (text, expected) => {
    expect(parseDecimal(text)).toBe(expected);
  });

  it('of any kind is a quantity or a problem, never an exception, never a wrong quantity', () => {
    const nearly = fc.array(fc.constantFrom('-', '+', '.', '0', '1', '9', 'e', ' ', '\n'), { maxLength: 12 });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          nearly.map((parts) => parts.join('')),
        ),
        (text) => {
          const value = parseDecimal(text);
          if (typeof value === 'bigint') expect(Number(formatDecimal(value))).toBeCloseTo(Number(text), 9);
          else expect(['not_a_decimal', 'too_many_decimals', 'too_large']).toContain(value);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe('I8: a JavaScript number', () => {
  it.each([
    [0, '0'],
    [-0, '0'],
    [5, '5'],
    [-5, '-5'],
    [0.1, '0.1'],
    [-0.1, '-0.1'],
    [1.005, '1.005'],
    [1e-9, '0.000000001'],
    [-1.5e-8, '-0.000000015'],
    [123_456.789_012_345, '123456.789012345'],
    [Number.MAX_SAFE_INTEGER, '9007199254740991'],
    [Number.MAX_SAFE_INTEGER + 1, null],
    [1e21, null],
    [Number.NaN, null],
    [Number.POSITIVE_INFINITY, null],
    [Number.NEGATIVE_INFINITY, null],
    [0.1 + 0.2, null],
    [1 / 3, null],
    [1e-10, null],
    [1.5e-9, null],
    [5e-324, null],
  ])('%d is %s', (value, text) => {
    expect(decimalFromNumber(value)).toBe(text);
  });

  it('is the decimal that was written, for every decimal of up to 15 digits', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -999_999_999_999_999, max: 999_999_999_999_999 }),
        fc.nat(9),
        (digits, places) => {
          const written = formatDecimal(BigInt(digits) * 10n ** BigInt(9 - places));
          expect(decimalFromNumber(Number(written))).toBe(written);
        },
      ),
    );
  });

  it('is a decimal that reads back as the same number, or nothing', () => {
    fc.assert(
      fc.property(fc.double(), (value) => {
        const text = decimalFromNumber(value);
        if (text === null) return;
        expect(Number(text)).toBe(value === 0 ? 0 : value);
        expect(typeof parseDecimal(text)).toBe('bigint');
      }),
      { numRuns: 2_000 },
    );
  });
});
