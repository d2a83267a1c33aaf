/**
 * The built-in engine:
 * - passes the contract of every engine
 * - decides as the plain reading of the rules does, whatever rules and question, in whatever order
 * - a deny that is added never turns a denial into an allowance; no allow's condition is met by a missing attribute
 * - answers at once; never throws
 * - holds its bounds: rules, listed values, rules named in a verdict
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PolicyQuestion } from '@meterhouse/quota';
import { CONTRACT_RULES, describeContract, QUESTION } from '../contract-testing.ts';
import { obviousVerdict } from '../obvious-testing.ts';
import { accessRule, ACCESS_RULE_BOUNDS, type AccessRule } from '@meterhouse/quota';
import { AccessRulesError, compileAccessRules } from './compile.ts';

describeContract(() => ({
  engine: compileAccessRules(
    CONTRACT_RULES.map((rule) => accessRule.parse(rule)),
    'v1',
  ),
  close: () => undefined,
}));

/** Few names, so that rules and questions meet; the same ones in every field, so that fields get mixed up. */
const name = fc.constantFrom('a', 'b', 'c', 'constructor', '__proto__');
/** Questions with an attribute of the other name are not answered at all. */
const attribute = name.filter((text) => text !== '__proto__');
const list = fc.option(fc.uniqueArray(name, { minLength: 1, maxLength: 3 }), { nil: undefined, freq: 2 });
const held = fc.array(name, { maxLength: 3 });
const some = fc.array(name, { minLength: 1, maxLength: 3 });

const condition = fc.oneof(
  fc.record({ attribute: name, equals: name }),
  fc.record({ attribute: name, in: some }),
  fc.record({ attribute: name, not: fc.oneof(name, some) }),
);

const ruleBody = fc.record({
  effect: fc.constantFrom('allow' as const, 'allow' as const, 'deny' as const),
  actors: fc.option(fc.record({ types: list, ids: list, roles: list, scopes: list }), { nil: undefined }),
  products: list,
  resourceTypes: list,
  actions: list,
  tenants: list,
  when: fc.option(fc.array(condition, { minLength: 1, maxLength: 2 }), { nil: undefined, freq: 2 }),
});

const ruleSet = fc
  // Enough that rules are filed once and again.
  .array(ruleBody, { maxLength: 60, size: 'max' })
  .map((bodies) => bodies.map((body, i): AccessRule => accessRule.parse({ id: `r${i}`, ...body })));

const question: fc.Arbitrary<PolicyQuestion> = fc.record({
  actor: fc.record({ type: name, id: name, roles: held, scopes: held }),
  lineage: some,
  product: name,
  resourceType: name,
  action: name,
  attributes: fc
    .array(fc.tuple(attribute, name), { maxLength: 3 })
    .map((entries): Record<string, string> => Object.fromEntries(entries)),
});

describe('built-in engine', () => {
  test('decides as the plain reading of the rules', () => {
    let allowed = 0;
    let deniedByRule = 0;
    fc.assert(
      fc.property(ruleSet, fc.array(question, { minLength: 1, maxLength: 8 }), (rules, questions) => {
        const engine = compileAccessRules(rules, 'v');
        for (const q of questions) {
          const { outcome, rules: ids } = obviousVerdict(rules, q);
          expect(engine.evaluate(q)).toEqual({
            outcome,
            engine: 'built_in',
            version: 'v',
            rules: ids.map((id) => id),
            problem: null,
          });
          if (outcome === 'allow') allowed++;
          else if (ids.length > 0) deniedByRule++;
        }
      }),
      { numRuns: 2_000 },
    );
    // The property has looked at what it is about.
    expect(Math.min(allowed, deniedByRule)).toBeGreaterThan(1_000);
  });

  test('the order of the rules says nothing', () => {
    fc.assert(
      fc.property(
        ruleSet,
        question,
        fc.array(fc.nat(), { minLength: 60, maxLength: 60 }),
        (rules, q, order) => {
          const shuffled = rules
            .map((rule, i) => ({ rule, at: order[i] ?? 0 }))
            .sort((a, b) => a.at - b.at)
            .map(({ rule }) => rule);
          expect(compileAccessRules(shuffled, 'v').evaluate(q)).toEqual(
            compileAccessRules(rules, 'v').evaluate(q),
          );
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test('a deny that is added never allows; a condition is never met by an attribute that is missing', () => {
    fc.assert(
      fc.property(ruleSet, ruleBody, question, (rules, body, q) => {
        const before = compileAccessRules(rules, 'v').evaluate(q);
        const deny = accessRule.parse({ ...body, id: 'added', effect: 'deny' });
        const after = compileAccessRules([...rules, deny], 'v').evaluate(q);
        expect(before.outcome === 'deny' && after.outcome === 'allow').toBe(false);

        const conditional = rules.filter((rule) => rule.effect === 'allow' && rule.when !== undefined);
        expect(compileAccessRules(conditional, 'v').evaluate({ ...q, attributes: {} }).outcome).toBe('deny');
      }),
      { numRuns: 1_000 },
    );
  });

  test('rules for single tenants and principals are found among twenty thousand', () => {
    const rules = Array.from({ length: ACCESS_RULE_BOUNDS.rules }, (_, i): AccessRule =>
      i % 2 === 0
        ? { id: `t${i}`, effect: 'allow', tenants: [`tenant-${i}`], actions: ['invoke'] }
        : { id: `p${i}`, effect: 'deny', actors: { ids: [`user-${i}`] }, actions: ['invoke'] },
    );
    const engine = compileAccessRules(rules, 'v');
    const there = { ...QUESTION, lineage: ['acme', 'tenant-4242'] };
    expect(engine.evaluate(there)).toMatchObject({ outcome: 'allow', rules: ['t4242'] });
    const banned = { ...there, actor: { ...QUESTION.actor, id: 'user-777' } };
    expect(engine.evaluate(banned)).toMatchObject({ outcome: 'deny', rules: ['p777'] });
  });

  test('names at most 20 rules and says how many more there were', () => {
    const rules = Array.from({ length: 25 }, (_, i): AccessRule => ({ id: `r${i + 10}`, effect: 'allow' }));
    const verdict = compileAccessRules(rules, 'v').evaluate(QUESTION);
    expect(verdict.rules).toHaveLength(21);
    expect(verdict.rules.slice(0, 2)).toEqual(['r10', 'r11']);
    expect(verdict.rules.at(-1)).toBe('…5 more');
  });

  test('an id that stands twice, too many rules and too many values are refused', () => {
    const rule: AccessRule = { id: 'same', effect: 'allow' };
    expect(() => compileAccessRules([rule, { ...rule, effect: 'deny' }], 'v')).toThrow(
      new AccessRulesError('id: two access rules are called same', 'same'),
    );
    const many = Array.from({ length: ACCESS_RULE_BOUNDS.rules + 1 }, (_, i) => ({ ...rule, id: `r${i}` }));
    expect(() => compileAccessRules(many, 'v')).toThrow(/20001 access rules, at most 20000/);
    const values = Array.from({ length: ACCESS_RULE_BOUNDS.list }, (_, i) => `v${i}`);
    const wide = Array.from({ length: 4_001 }, (_, i) => ({ ...rule, id: `r${i}`, actions: values }));
    expect(() => compileAccessRules(wide, 'v')).toThrow(/400100 values, at most 400000/);
  });
});
