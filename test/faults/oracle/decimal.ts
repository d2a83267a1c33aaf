/** The oracle's own exact numbers, so that a mistake in the system's cannot hide in its own mirror. */

const PLACES = 9;

/** A plain decimal text in billionths. */
export function billionths(text: string): bigint {
  const negative = text.startsWith('-');
  const [whole = '', fraction = ''] = (negative ? text.slice(1) : text).split('.');
  if (!/^\d+$/.test(whole) || !/^\d*$/.test(fraction)) throw new TypeError(`not a decimal: ${text}`);
  if (/[1-9]/.test(fraction.slice(PLACES))) throw new TypeError(`more than ${PLACES} decimals: ${text}`);
  const amount = BigInt(whole + fraction.slice(0, PLACES).padEnd(PLACES, '0'));
  return negative ? -amount : amount;
}

/** For people to read. */
export function decimalText(amount: bigint): string {
  const digits = (amount < 0n ? -amount : amount).toString().padStart(PLACES + 1, '0');
  const fraction = digits.slice(-PLACES).replace(/0+$/, '');
  return `${amount < 0n ? '-' : ''}${digits.slice(0, -PLACES)}${fraction === '' ? '' : `.${fraction}`}`;
}
