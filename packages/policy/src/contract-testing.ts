/**
 * The same questions and the same verdicts for every engine. Each engine's test writes this policy in
 * the engine's own language:
 *
 * - `editors`: who has the role `editor` may `invoke` and `read` endpoints of `inference` in `acme`.
 * - `nightly`: the service `batch-7` may `invoke` endpoints of `inference` in `acme-search`.
 * - `readers`: an api_key with the scope `inference:read` may `read` whatever is of `inference` in `acme`.
 * - `legal-hold` forbids everything in `acme-held`; `suspended` whatever has the attribute
 *   `suspended` = `yes`.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PolicyEngine, PolicyQuestion, PolicyVerdict } from '@meterhouse/quota';
import type { AccessRule } from '@meterhouse/quota';

export const CONTRACT_RULES: readonly AccessRule[] = [
  {
    id: 'editors',
    effect: 'allow',
    actors: { roles: ['editor'] },
    products: ['inference'],
    resourceTypes: ['endpoint'],
    actions: ['invoke', 'read'],
    tenants: ['acme'],
  },
  {
    id: 'nightly',
    effect: 'allow',
    actors: { types: ['service'], ids: ['batch-7'] },
    products: ['inference'],
    resourceTypes: ['endpoint'],
    actions: ['invoke'],
    tenants: ['acme-search'],
  },
  {
    id: 'readers',
    effect: 'allow',
    actors: { types: ['api_key'], scopes: ['inference:read'] },
    products: ['inference'],
    actions: ['read'],
    tenants: ['acme'],
  },
  { id: 'legal-hold', effect: 'deny', tenants: ['acme-held'] },
  { id: 'suspended', effect: 'deny', when: [{ attribute: 'suspended', equals: 'yes' }] },
];

/** An editor who invokes an endpoint of inference deep in acme: allowed by `editors`. */
export const QUESTION: PolicyQuestion = {
  actor: { type: 'user', id: 'alice', roles: ['viewer', 'editor'], scopes: [] },
  lineage: ['acme', 'acme-search', 'acme-search-dev'],
  product: 'inference',
  resourceType: 'endpoint',
  action: 'invoke',
  attributes: { region: 'eu' },
};

interface Case {
  readonly says: string;
  readonly question: PolicyQuestion;
  readonly outcome: 'allow' | 'deny';
  readonly rules: readonly string[];
}

function actor(changes: Partial<PolicyQuestion['actor']>): Pick<PolicyQuestion, 'actor'> {
  return { actor: { ...QUESTION.actor, ...changes } };
}

function allowed(says: string, rules: readonly string[], changes: Partial<PolicyQuestion> = {}): Case {
  return { says, question: { ...QUESTION, ...changes }, outcome: 'allow', rules };
}

function denied(says: string, rules: readonly string[], changes: Partial<PolicyQuestion>): Case {
  return { says, question: { ...QUESTION, ...changes }, outcome: 'deny', rules };
}

const batch = { type: 'service', id: 'batch-7', roles: [], scopes: [] };
const key = { type: 'api_key', id: 'k-1', roles: [], scopes: ['x', 'inference:read'] };

const CASES: readonly Case[] = [
  allowed('a role, in the subtree of the tenant', ['editors']),
  allowed('a role, at the tenant itself', ['editors'], { lineage: ['acme'] }),
  allowed('another of the listed actions', ['editors'], { action: 'read' }),
  allowed('a principal by type and id', ['nightly'], { actor: batch }),
  allowed('a scope', ['readers'], { actor: key, action: 'read', resourceType: 'model' }),
  allowed('every rule that allows is named', ['editors', 'readers'], {
    actor: { ...key, roles: ['editor'] },
    action: 'read',
  }),
  allowed('an attribute that is forbidden with another value only', ['editors'], {
    attributes: { suspended: 'no' },
  }),
  allowed('attributes named like parts of the language', ['editors'], {
    attributes: { constructor: 'yes', toString: 'yes', __entity: 'yes' },
  }),
  allowed(
    'a principal whose id needs escaping, by role',
    ['editors'],
    actor({ id: 'al"ice\\ \n@ex.com/ü*' }),
  ),
  denied('nobody in particular', [], actor({ roles: [] })),
  denied('a role in another case', [], actor({ roles: ['Editor'] })),
  denied('a role that only begins like it', [], actor({ roles: ['editors', 'edit'] })),
  denied('a scope instead of a role', [], actor({ roles: [], scopes: ['editor'] })),
  denied('the role as a tenant or an attribute', [], {
    ...actor({ roles: ['acme'] }),
    lineage: ['acme', 'editor'],
    attributes: { roles: 'editor', role: 'editor' },
  }),
  denied('another tenant', [], { lineage: ['globex', 'globex-acme'] }),
  denied('a tenant below which the principal may, asked above it', [], { actor: batch, lineage: ['acme'] }),
  denied('the id with another type', [], { actor: { ...batch, type: 'user' } }),
  denied('another action', [], { action: 'delete' }),
  denied('an action that only begins like it', [], { action: 'invoke2' }),
  denied('another product', [], { product: 'storage' }),
  denied('another resource type', [], { resourceType: 'model' }),
  denied('a deny overrides an allow', ['suspended'], { attributes: { suspended: 'yes' } }),
  denied('a deny holds in the subtree', ['legal-hold'], { lineage: ['acme', 'acme-held', 'acme-held-a'] }),
  denied('every rule that denies is named', ['legal-hold', 'suspended'], {
    lineage: ['acme', 'acme-held'],
    attributes: { suspended: 'yes' },
  }),
];

interface EngineUnderTest {
  readonly engine: PolicyEngine;
  readonly close: () => Promise<void> | void;
  /** False where the engine does not say which of its rules decided. */
  readonly namesRules?: boolean;
}

export function describeContract(open: () => Promise<EngineUnderTest> | EngineUnderTest): void {
  describe('contract of every engine', () => {
    let under: EngineUnderTest;
    beforeAll(async () => {
      under = await open();
    });
    afterAll(() => under.close());

    test.each(CASES)('$outcome: $says', async ({ question, outcome, rules }) => {
      const verdict = await under.engine.evaluate(question);
      expect({ outcome: verdict.outcome, problem: verdict.problem }).toEqual({ outcome, problem: null });
      if (under.namesRules !== false) expect([...verdict.rules].sort()).toEqual(rules);
      expect(verdict.engine).toBe(under.engine.name);
      expect(verdict.version).not.toBe('');
    });

    test('a question beyond the bounds is not answered', async () => {
      const roles = Array.from({ length: 257 }, (_, i) => (i === 0 ? 'editor' : `r${i}`));
      expectUnavailable(await under.engine.evaluate({ ...QUESTION, ...actor({ roles }) }), 'overloaded');
      const action = 'x'.repeat(257);
      expectUnavailable(await under.engine.evaluate({ ...QUESTION, action }), 'overloaded');
    });

    test('what is not a question is not answered, and does not throw', async () => {
      const untyped = [
        { ...QUESTION, lineage: [] },
        { ...QUESTION, attributes: { suspended: 7 } },
        { ...QUESTION, attributes: { ['__proto__']: 'yes' } },
        { ...QUESTION, ...actor({ roles: 'editor' as unknown as string[] }) },
        {},
        null,
      ];
      for (const question of untyped)
        expectUnavailable(await under.engine.evaluate(question as PolicyQuestion), 'engine_failed');
    });
  });
}

export function expectUnavailable(verdict: PolicyVerdict, problem: PolicyVerdict['problem']): void {
  expect({ outcome: verdict.outcome, problem: verdict.problem, rules: verdict.rules }).toEqual({
    outcome: 'unavailable',
    problem,
    rules: [],
  });
}
