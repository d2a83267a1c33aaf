/** Reading option values. What is wrong is said by commander, with the option's name: exit code 2. */
import { InvalidArgumentError } from 'commander';

/** A whole number within bounds. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^-?[0-9]{1,15}$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`must be a whole number from ${min} to ${max}`);
  };
}

/** An offset or a row's id. */
export function bigNumber(text: string): bigint {
  if (/^[0-9]{1,18}$/.test(text)) return BigInt(text);
  throw new InvalidArgumentError('must be a whole number');
}

export function filled(text: string): string {
  if (text.trim() !== '') return text;
  throw new InvalidArgumentError('must not be empty');
}

/** Text that a person wrote to be kept. */
export function textOf(maxLength: number): (text: string) => string {
  return (text) => {
    if (filled(text).length <= maxLength && text.isWellFormed()) return text;
    throw new InvalidArgumentError(`must be text of at most ${maxLength} characters`);
  };
}

/** In lower case, as it is stored. */
export function uuid(text: string): string {
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) return text.toLowerCase();
  throw new InvalidArgumentError('must be a UUID');
}

export function oneOf<Choice extends string>(known: readonly Choice[]): (text: string) => Choice {
  return (text) => {
    const found = known.find((one) => one === text);
    if (found !== undefined) return found;
    throw new InvalidArgumentError(`must be one of ${known.join(', ')}`);
  };
}

/** An option that may be repeated: its values in order. */
export function repeated<T>(
  read: (text: string) => T,
): (text: string, before: readonly T[] | undefined) => readonly T[] {
  return (text, before) => [...(before ?? []), read(text)];
}

/** As it stands. */
export function asText(text: string): string {
  return text;
}
