/**
 * Cedar, the real one:
 * - passes the contract of every engine, with and without a schema
 * - a policy that fails never ends in an allow
 * - an answer that comes too late is none
 * - policies are parsed once, refused where they are unclear, and their memory is used again
 */
import { describe, expect, test } from 'vitest';
import { describeContract, expectUnavailable, QUESTION } from '../contract-testing.ts';
import { CedarPoliciesError, createCedarEngine, type CedarOptions } from './index.ts';
import { CEDAR_ENGINES_OPEN } from './slots.ts';

const POLICIES = `
@id("editors")
permit (principal in Role::"editor", action in [Action::"invoke", Action::"read"], resource in Tenant::"acme")
when { resource.product == "inference" && resource.type == "endpoint" };

@id("nightly")
permit (principal == Actor::"service/batch-7", action == Action::"invoke", resource in Tenant::"acme-search")
when { resource.product == "inference" && resource.type == "endpoint" };

@id("readers")
permit (principal, action == Action::"read", resource in Tenant::"acme")
when {
  principal.type == "api_key" && principal.scopes.contains("inference:read") && resource.product == "inference"
};

@id("legal-hold")
forbid (principal, action, resource in Tenant::"acme-held");

@id("suspended")
forbid (principal, action, resource)
when { context has suspended && context.suspended == "yes" };
`;

const SCHEMA = `
entity Role;
entity Tenant in [Tenant];
entity Actor in [Role] { type: String, id: String, scopes: Set<String> };
entity Resource in [Tenant] { product: String, type: String };
action invoke, read appliesTo {
  principal: Actor, resource: Resource, context: { suspended?: String, region?: String }
};
`;

const options: CedarOptions = { policies: POLICIES, version: 'p1', deadlineMs: 60_000 };

describeContract(() => {
  const engine = createCedarEngine(options);
  return { engine, close: () => engine.close() };
});

describe('with a schema', () => {
  test('questions that it knows are answered, others are not', () => {
    using opened = closing(createCedarEngine({ ...options, schema: SCHEMA }));
    const { engine } = opened;
    expect(engine.evaluate(QUESTION)).toEqual({
      outcome: 'allow',
      engine: 'cedar',
      version: 'p1',
      rules: ['editors'],
      problem: null,
    });
    expectUnavailable(engine.evaluate({ ...QUESTION, action: 'delete' }), 'engine_failed');
    expectUnavailable(engine.evaluate({ ...QUESTION, attributes: { other: 'x' } }), 'engine_failed');
  });

  test('a policy that could fail is refused', () => {
    const policies = `@id("held") forbid (principal, action, resource) when { context.suspended == "yes" };`;
    expect(() => createCedarEngine({ ...options, policies, schema: SCHEMA })).toThrow(
      /^policies: for policy `held`, unable to guarantee safety of access to optional attribute/,
    );
  });
});

describe('a policy that fails on a question', () => {
  const failing = `@id("held") forbid (principal, action, resource) when { context.suspended == "yes" };`;
  const allowing = `@id("all") permit (principal, action, resource);`;

  test('is not taken for one that does not forbid', () => {
    using opened = closing(createCedarEngine({ ...options, policies: `${allowing} ${failing}` }));
    expectUnavailable(opened.engine.evaluate(QUESTION), 'engine_failed');
    const known = { ...QUESTION, attributes: { suspended: 'no' } };
    expect(opened.engine.evaluate(known).outcome).toBe('allow');
  });

  test('leaves a denial a denial', () => {
    using opened = closing(createCedarEngine({ ...options, policies: failing }));
    expect(opened.engine.evaluate(QUESTION)).toMatchObject({ outcome: 'deny', rules: [], problem: null });
  });
});

test('type and id of a principal divide in one way only', () => {
  const policies = `@id("team") permit (principal == Actor::"service/team/batch", action, resource);`;
  using opened = closing(createCedarEngine({ ...options, policies }));
  const asked = (type: string, id: string) =>
    opened.engine.evaluate({ ...QUESTION, actor: { ...QUESTION.actor, type, id } }).outcome;
  expect(asked('service', 'team/batch')).toBe('allow');
  expect(asked('service/team', 'batch')).toBe('deny');
});

describe('no answer', () => {
  test('an answer after the deadline', () => {
    let ms = 0;
    const monotonicMs = () => (ms += 51);
    using opened = closing(createCedarEngine({ ...options, deadlineMs: 50, monotonicMs }));
    expectUnavailable(opened.engine.evaluate(QUESTION), 'deadline');
    using inTime = closing(createCedarEngine({ ...options, deadlineMs: 51, monotonicMs }));
    expect(inTime.engine.evaluate(QUESTION).outcome).toBe('allow');
  });

  test('text that is not Unicode, on which the library throws; the next question is answered', () => {
    using opened = closing(createCedarEngine(options));
    const attributes = { region: '\ud800' };
    expectUnavailable(opened.engine.evaluate({ ...QUESTION, attributes }), 'engine_failed');
    expect(opened.engine.evaluate(QUESTION).outcome).toBe('allow');
  });

  test('a lineage that goes in a circle', () => {
    using opened = closing(createCedarEngine(options));
    const lineage = ['acme', 'acme-search', 'acme'];
    expectUnavailable(opened.engine.evaluate({ ...QUESTION, lineage }), 'engine_failed');
  });

  test('an engine that was closed, also when another took its place', () => {
    const closed = createCedarEngine(options);
    closed.close();
    expectUnavailable(closed.evaluate(QUESTION), 'engine_failed');
    using opened = closing(createCedarEngine(options));
    expectUnavailable(closed.evaluate(QUESTION), 'engine_failed');
    closed.close();
    expect(opened.engine.evaluate(QUESTION).outcome).toBe('allow');
  });
});

describe('policies', () => {
  test.each([
    ['what does not parse', 'permit (principal', /^policies: /],
    ['a policy without @id', 'permit (principal, action, resource);', /^policies: @id is missing in permit/],
    [
      'an id that stands twice',
      '@id("a") permit (principal, action, resource); @id("a") forbid (principal, action, resource);',
      /^policies: two policies have @id\("a"\)$/,
    ],
    ['a template', '@id("a") permit (principal == ?principal, action, resource);', /^policies: templates/],
    ['more text than the bound', ' '.repeat(1_000_001), /^policies: 1000001 characters, at most 1000000$/],
  ])('refused: %s', (_what, policies, message) => {
    expect(() => createCedarEngine({ ...options, policies })).toThrow(message);
    expect(() => createCedarEngine({ ...options, policies })).toThrow(CedarPoliciesError);
  });

  test('a schema that does not parse is refused', () => {
    expect(() => createCedarEngine({ ...options, schema: 'entity' })).toThrow(/^schema: /);
  });

  test('engines answer by their own policies, side by side; beyond 64 open ones the next is refused', () => {
    const engines = Array.from({ length: CEDAR_ENGINES_OPEN }, (_, i) =>
      createCedarEngine({ ...options, policies: `@id("p${i}") permit (principal, action, resource);` }),
    );
    try {
      for (const [i, engine] of engines.entries()) expect(engine.evaluate(QUESTION).rules).toEqual([`p${i}`]);
      expect(() => createCedarEngine(options)).toThrow(/^engines: 64 are open/);
    } finally {
      for (const engine of engines) engine.close();
    }
  });

  test('names are given back, also by policies that were refused', () => {
    for (let i = 0; i < CEDAR_ENGINES_OPEN + 1; i++) {
      createCedarEngine(options).close();
      expect(() => createCedarEngine({ ...options, schema: 'entity' })).toThrow(/^schema: /);
    }
  });
});

function closing(engine: ReturnType<typeof createCedarEngine>) {
  return { engine, [Symbol.dispose]: () => engine.close() };
}
