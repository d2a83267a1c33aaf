/**
 * Exact decimals. Inside the system a quantity is a BigInt of billionths (scale 9); at every edge it
 * is a decimal string. There is no float between the two.
 */

/** Decimal places that a value may have at most, and the scale of every BigInt quantity. */
export const DECIMAL_SCALE = 9;
/** Digits before the point that a value may have at most: numeric(38, 9). */
export const MAX_INTEGER_DIGITS = 29;

/** One, in billionths. */
export const ONE = 10n ** BigInt(DECIMAL_SCALE);
const MAX_ABS = 10n ** BigInt(MAX_INTEGER_DIGITS + DECIMAL_SCALE) - 1n;
/** Longer texts are refused unread: leading and trailing zeros are the only thing they could add. */
const MAX_TEXT_LENGTH = 64;
const PLAIN = /^-?[0-9]+(?:\.([0-9]+))?$/;
const ZEROS = ['', '0', '00', '000', '0000', '00000', '000000', '0000000', '00000000', '000000000'];

/** A quantity in billionths: `1.5` is `1_500_000_000n`. */
export type Billionths = bigint;

export type DecimalProblem = 'not_a_decimal' | 'too_many_decimals' | 'too_large';

/**
 * Reads a plain decimal (`-12.5`; no exponent, no sign `+`, no white space).
 * @returns the quantity in billionths, or what is wrong with the text.
 */
export function parseDecimal(text: string): Billionths | DecimalProblem {
  if (text.length > MAX_TEXT_LENGTH) return 'not_a_decimal';
  const match = PLAIN.exec(text);
  if (match === null) return 'not_a_decimal';
  const fraction = match[1];
  if (fraction === undefined) return bounded(BigInt(text) * ONE);
  const integer = text.slice(0, text.length - fraction.length - 1);
  const digits = fraction.length > DECIMAL_SCALE ? fraction.replace(/0+$/, '') : fraction;
  if (digits.length > DECIMAL_SCALE) return 'too_many_decimals';
  return bounded(BigInt(integer + digits + (ZEROS[DECIMAL_SCALE - digits.length] ?? '')));
}

function bounded(value: Billionths): Billionths | DecimalProblem {
  return value > MAX_ABS || value < -MAX_ABS ? 'too_large' : value;
}

/** Reads a decimal that our own code or a database column wrote; sums may be wider than an event's value. */
export function decimalFromStore(text: string): Billionths {
  const match = PLAIN.exec(text);
  const fraction = match?.[1] ?? '';
  if (match === null || fraction.length > DECIMAL_SCALE) throw new TypeError(`not a stored decimal: ${text}`);
  const integer = fraction === '' ? text : text.slice(0, text.length - fraction.length - 1);
  return BigInt(integer + fraction + (ZEROS[DECIMAL_SCALE - fraction.length] ?? ''));
}

/** The canonical text: no trailing zeros, no `-0`. Equal quantities have equal texts. */
export function formatDecimal(value: Billionths): string {
  if (value < 0n) return `-${formatDecimal(-value)}`;
  const integer = value / ONE;
  const fraction = value % ONE;
  if (fraction === 0n) return integer.toString();
  return `${integer}.${fraction.toString().padStart(DECIMAL_SCALE, '0').replace(/0+$/, '')}`;
}

/** Decimal places that the quantity really needs. */
export function decimalPlaces(value: Billionths): number {
  let places = DECIMAL_SCALE;
  let rest = value;
  while (places > 0 && rest % 10n === 0n) {
    rest /= 10n;
    places -= 1;
  }
  return places;
}

/**
 * The decimal that a JavaScript number stands for, or null when there is no saying which was meant:
 * NaN, infinities, integers beyond 2^53, and floats whose shortest form needs more than the 15
 * significant digits that a double carries faithfully (`0.1 + 0.2`) or more than 9 decimals.
 */
export function decimalFromNumber(value: number): string | null {
  if (!Number.isFinite(value)) return null;
  if (Number.isInteger(value))
    return Number.isSafeInteger(value) ? (value === 0 ? '0' : value.toString()) : null;
  const text = value.toString();
  if (text.includes('e')) return expand(text);
  return significantDigits(text) <= 15 && typeof parseDecimal(text) === 'bigint' ? text : null;
}

/** `1.5e-7` written out, where that is still exact. */
function expand(text: string): string | null {
  const [mantissa = '', exponent = '0'] = text.split('e');
  const shift = -Number(exponent);
  const digits = mantissa.replace(/[-.]/g, '');
  const places = shift + digits.length - 1;
  if (shift <= 0 || places > DECIMAL_SCALE) return null;
  return `${mantissa.startsWith('-') ? '-' : ''}0.${digits.padStart(places, '0')}`;
}

function significantDigits(text: string): number {
  return text.replace(/[-.]/g, '').replace(/^0+/, '').length;
}
