/**
 * A rule that could mean more than its author thought is refused, and the error names the field:
 * - unknown fields (a misspelt restriction would restrict nothing)
 * - empty lists (any, or none?)
 * - conditions without exactly one test
 * - what is beyond its bound
 */
import { describe, expect, test } from 'vitest';
import { accessRule, ACCESS_RULE_BOUNDS } from './access-rule.ts';

const rule = { id: 'r', effect: 'allow' };

function refusedAt(input: unknown): string[] {
  const result = accessRule.safeParse(input);
  return result.success ? [] : result.error.issues.map((issue) => issue.path.join('.'));
}

describe('access rules', () => {
  test('a rule with every field is taken as it is', () => {
    const whole = {
      ...rule,
      description: 'who, and why',
      actors: { types: ['user'], ids: ['a'], roles: ['r'], scopes: ['s'] },
      products: ['p'],
      resourceTypes: ['t'],
      actions: ['a'],
      tenants: ['t'],
      when: [
        { attribute: 'a', equals: '' },
        { attribute: 'b', in: ['x'] },
        { attribute: 'c', not: 'y' },
        { attribute: 'd', not: ['y', 'z'] },
      ],
    };
    expect(accessRule.parse(whole)).toEqual(whole);
  });

  test.each([
    ['a misspelt field', { ...rule, action: ['read'] }, ''],
    ['a misspelt field of the actors', { ...rule, actors: { role: ['editor'] } }, 'actors'],
    ['an empty list', { ...rule, tenants: [] }, 'tenants'],
    ['a text for a list', { ...rule, products: 'inference' }, 'products'],
    ['an unknown effect', { ...rule, effect: 'permit' }, 'effect'],
    ['an id with a blank', { ...rule, id: 'a b' }, 'id'],
    ['a condition that tests nothing', { ...rule, when: [{ attribute: 'a' }] }, 'when.0'],
    ['two tests in one condition', { ...rule, when: [{ attribute: 'a', equals: 'x', not: 'y' }] }, 'when.0'],
    [
      'a list beyond its bound',
      { ...rule, actions: Array.from({ length: ACCESS_RULE_BOUNDS.list + 1 }, (_, i) => `a${i}`) },
      'actions',
    ],
    ['a name beyond its bound', { ...rule, actors: { ids: ['x'.repeat(257)] } }, 'actors.ids.0'],
  ])('refused: %s', (_what, input, at) => {
    expect(refusedAt(input)).toContain(at);
  });
});
