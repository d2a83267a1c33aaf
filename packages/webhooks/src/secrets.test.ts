/**
 * Guarantees: a sealed secret opens with its key and for its webhook alone, also after another key has been
 * put before it; what was changed does not open; the same secret never looks the same twice.
 */
import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { SecretBox, secretText, UnsealableError } from './secrets.ts';

const key = (): string => randomBytes(32).toString('base64');

test('it opens with its key, for its webhook, and keeps doing so while keys are changed', () => {
  const old = key();
  const secret = secretText(randomBytes(32));
  expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
  const box = new SecretBox([old], randomBytes);
  const sealed = box.seal('w1', secret);
  expect(sealed.includes(secret)).toBe(false);
  expect(sealed.equals(box.seal('w1', secret))).toBe(false);
  const both = new SecretBox([key(), old], randomBytes);
  expect(both.open('w1', sealed)).toBe(secret);
  expect(() => both.open('w2', sealed)).toThrow(UnsealableError);
  expect(() => new SecretBox([key()], randomBytes).open('w1', sealed)).toThrow(/no key [0-9a-f]{8}/);
  expect(() => box.open('w1', both.seal('w1', secret))).toThrow(UnsealableError);
});

test('not one byte of it can be changed', () => {
  const box = new SecretBox([key()], randomBytes);
  const sealed = box.seal('w1', secretText(randomBytes(32)));
  for (const at of sealed.keys()) {
    const changed = Buffer.from(sealed);
    changed[at] = (changed[at] ?? 0) ^ 1;
    expect(() => box.open('w1', changed)).toThrow(UnsealableError);
  }
  expect(() => box.open('w1', sealed.subarray(0, 20))).toThrow(UnsealableError);
});

test('a key of another length is refused, and not shown', () => {
  expect(() => new SecretBox(['c2hvcnQ='], randomBytes)).toThrow(/^a sealing key has 32 bytes in base64$/);
  expect(() => new SecretBox([], randomBytes)).toThrow(RangeError);
});
