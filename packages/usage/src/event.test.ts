/**
 * Guarantees of an event's shape:
 *  - Every limit is held to the character, and a refusal names the field.
 *  - What no store can keep (NUL, half a surrogate pair, a year beyond four digits) is refused wherever it
 *    stands; any other text passes unchanged.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkShape, EVENT_LIMITS, METRIC_NAME, TENANT_ID, type UsageEvent } from './event.ts';

const EVENT: UsageEvent = {
  id: 'e-1',
  tenantId: 'acme',
  metric: 'api.calls',
  value: '1',
  ts: 0,
  unit: null,
  source: '',
  attrs: {},
  correlationId: null,
  attribution: null,
};

/** The text fields, each with an event that holds the text there, its limit, and whether it may be empty. */
const TEXTS: [field: string, place: (text: string) => UsageEvent, maxLength: number, mayBeEmpty: boolean][] =
  [
    ['id', (id) => ({ ...EVENT, id }), EVENT_LIMITS.idLength, false],
    ['tenantId', (tenantId) => ({ ...EVENT, tenantId }), EVENT_LIMITS.nameLength, false],
    ['metric', (metric) => ({ ...EVENT, metric }), EVENT_LIMITS.nameLength, false],
    ['unit', (unit) => ({ ...EVENT, unit }), EVENT_LIMITS.nameLength, false],
    ['source', (source) => ({ ...EVENT, source }), EVENT_LIMITS.idLength, true],
    ['correlationId', (correlationId) => ({ ...EVENT, correlationId }), EVENT_LIMITS.idLength, true],
    ['attrs key', (key) => ({ ...EVENT, attrs: { [key]: '' } }), EVENT_LIMITS.attrKeyLength, false],
    ['attrs.k', (k) => ({ ...EVENT, attrs: { k } }), EVENT_LIMITS.attrValueLength, true],
    ['attribution.k', (k) => ({ ...EVENT, attribution: { k } }), EVENT_LIMITS.attrValueLength, true],
  ];

describe.each(TEXTS)('%s', (field, place, maxLength, mayBeEmpty) => {
  it('is held to its limit', () => {
    expect(checkShape(place('x'.repeat(maxLength)))).toBeNull();
    expect(checkShape(place('x'.repeat(maxLength + 1)))).toMatchObject({ reason: 'invalid_event', field });
  });

  it(mayBeEmpty ? 'may be empty' : 'may not be empty', () => {
    const refusal = checkShape(place(''));
    if (mayBeEmpty) expect(refusal).toBeNull();
    else expect(refusal).toMatchObject({ reason: 'invalid_event', field });
  });

  it('may hold any text but NUL and broken Unicode', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 30 }), (text) => {
        if (text.includes('\0')) expect(checkShape(place(text))).toMatchObject({ field });
        else expect(checkShape(place(text))).toBeNull();
      }),
    );
    expect(checkShape(place('a\0b'))).toMatchObject({ field, detail: 'holds a NUL character' });
    expect(checkShape(place('a\ud800b'))).toMatchObject({ field, detail: 'is not well-formed Unicode' });
    expect(checkShape(place('\udc00'))).toMatchObject({ field });
  });
});

describe('ts', () => {
  it.each([
    [0, true],
    [Date.parse('0000-01-01T00:00:00.000Z'), true],
    [Date.parse('0000-01-01T00:00:00.000Z') - 1, false],
    [Date.parse('0001-01-01T00:00:00.000Z'), true],
    [Date.parse('9999-12-31T23:59:59.999Z'), true],
    [Date.parse('9999-12-31T23:59:59.999Z') + 1, false],
    [0.5, false],
    [Number.NaN, false],
    [Number.NEGATIVE_INFINITY, false],
    [2 ** 60, false],
  ])('%d passes: %s', (ts, passes) => {
    const refusal = checkShape({ ...EVENT, ts });
    if (passes) expect(refusal).toBeNull();
    else expect(refusal).toMatchObject({ reason: 'invalid_event', field: 'ts' });
  });
});

describe.each(['attrs', 'attribution'] as const)('%s', (field) => {
  const entries = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, 'v']));

  it('has a limit of entries', () => {
    expect(checkShape({ ...EVENT, [field]: entries(EVENT_LIMITS.attrs) })).toBeNull();
    expect(checkShape({ ...EVENT, [field]: entries(EVENT_LIMITS.attrs + 1) })).toMatchObject({ field });
  });

  it.each(['constructor', 'toString', 'hasOwnProperty', 'length', '0'])(
    'may have an entry named %s',
    (key) => {
      expect(checkShape({ ...EVENT, [field]: { [key]: 'v' } })).toBeNull();
      expect(checkShape({ ...EVENT, [field]: { [key]: 'a\0' } })).toMatchObject({ field: `${field}.${key}` });
    },
  );
});

describe('names', () => {
  it.each([
    ['acme', true],
    ['Acme-1/search:eu@x.y_z', true],
    ['a'.repeat(128), true],
    ['a'.repeat(129), false],
    ['', false],
    ['-acme', false],
    ['a b', false],
    ['acme\n', false],
    ['ä', false],
  ])('%j as a tenant id passes: %s', (name, passes) => {
    expect(TENANT_ID.test(name)).toBe(passes);
  });

  it.each([
    ['llm.input_tokens', true],
    ['GPU-hours', true],
    ['5xx', false],
    ['a/b', false],
    ['', false],
    ['m\n', false],
  ])('%j as a metric passes: %s', (name, passes) => {
    expect(METRIC_NAME.test(name)).toBe(passes);
  });
});
