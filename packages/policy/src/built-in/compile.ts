import type { PolicyEngine, PolicyQuestion, PolicyVerdict } from '@meterhouse/quota';
import { problemOf } from '../question-bounds.ts';
import { answered, unavailable } from '../verdicts.ts';
import { ACCESS_RULE_BOUNDS, type AccessRule } from '@meterhouse/quota';
import { RuleIndex } from './rule-index.ts';
import { matches, prepare, type PreparedRule } from './rule-match.ts';

const ENGINE = 'built_in';

/** The rules as a whole cannot be taken: too many, or an id that stands twice. */
export class AccessRulesError extends Error {
  /** The rule at fault, where it is one. */
  readonly ruleId: string | null;

  constructor(message: string, ruleId: string | null = null) {
    super(message);
    this.name = 'AccessRulesError';
    this.ruleId = ruleId;
  }
}

/** The built-in engine answers at once. */
export interface AccessRulesEngine extends PolicyEngine {
  evaluate(question: PolicyQuestion): PolicyVerdict;
}

/**
 * Roles and attributes: a deny overrides every allow, and what no rule allows is denied. A verdict
 * names the matching rules of the effect that decided, sorted by id, at most 20.
 * @param rules parsed by `accessRule`
 * @param version names this set of rules, such as the registry's version
 * @throws AccessRulesError beyond ACCESS_RULE_BOUNDS, and where two rules have one id
 */
export function compileAccessRules(rules: readonly AccessRule[], version: string): AccessRulesEngine {
  checkBounds(rules);
  // In order of ids, so that the same rules in another order say the same.
  const prepared = rules.map(prepare).sort((a, b) => (a.id < b.id ? -1 : 1));
  const index = new RuleIndex(prepared);
  return {
    name: ENGINE,
    evaluate: (question) => {
      // An engine never throws, also not for what untyped callers hand it.
      try {
        const problem = problemOf(question);
        if (problem !== null) return unavailable(ENGINE, version, problem);
        return decide(prepared, index, question, version);
      } catch {
        return unavailable(ENGINE, version, 'engine_failed');
      }
    },
  };
}

function decide(
  rules: readonly PreparedRule[],
  index: RuleIndex,
  question: PolicyQuestion,
  version: string,
): PolicyVerdict {
  const allowing: number[] = [];
  const denying: number[] = [];
  index.candidates(question, (place) => {
    const rule = rules[place];
    if (rule !== undefined && matches(rule, question)) (rule.allows ? allowing : denying).push(place);
  });
  const deciding = denying.length > 0 ? denying : allowing;
  if (deciding.length > 1) deciding.sort((a, b) => a - b);
  const ids = deciding.map((place) => rules[place]?.id ?? '');
  return answered(ENGINE, version, denying.length === 0 && allowing.length > 0, ids);
}

function checkBounds(rules: readonly AccessRule[]): void {
  if (rules.length > ACCESS_RULE_BOUNDS.rules)
    throw new AccessRulesError(`${rules.length} access rules, at most ${ACCESS_RULE_BOUNDS.rules}`);
  const ids = new Set<string>();
  let values = 0;
  for (const rule of rules) {
    if (ids.has(rule.id)) throw new AccessRulesError(`id: two access rules are called ${rule.id}`, rule.id);
    ids.add(rule.id);
    values += valuesOf(rule);
  }
  if (values > ACCESS_RULE_BOUNDS.values)
    throw new AccessRulesError(`access rules list ${values} values, at most ${ACCESS_RULE_BOUNDS.values}`);
}

function valuesOf(rule: AccessRule): number {
  const { types, ids, roles, scopes } = rule.actors ?? {};
  const lists = [types, ids, roles, scopes, rule.products, rule.resourceTypes, rule.actions, rule.tenants];
  let count = 0;
  for (const list of lists) count += list?.length ?? 0;
  for (const condition of rule.when ?? []) {
    const listed = 'in' in condition ? condition.in : 'not' in condition ? condition.not : '';
    count += typeof listed === 'string' ? 1 : listed.length;
  }
  return count;
}
