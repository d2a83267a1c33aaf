/** The built-in engine's rules, read as slowly and plainly as they are written down. */
import type { PolicyQuestion } from '@meterhouse/quota';
import type { AccessRule } from '@meterhouse/quota';

export interface ObviousVerdict {
  readonly outcome: 'allow' | 'deny';
  readonly rules: readonly string[];
}

export function obviousVerdict(rules: readonly AccessRule[], question: PolicyQuestion): ObviousVerdict {
  const matching = rules.filter((rule) => applies(rule, question));
  const denying = matching.filter((rule) => rule.effect === 'deny');
  const deciding = denying.length > 0 ? denying : matching;
  return {
    outcome: denying.length === 0 && matching.length > 0 ? 'allow' : 'deny',
    rules: deciding.map((rule) => rule.id).sort(),
  };
}

function applies(rule: AccessRule, question: PolicyQuestion): boolean {
  const { actor } = question;
  return (
    any(rule.actors?.types, [actor.type]) &&
    any(rule.actors?.ids, [actor.id]) &&
    any(rule.actors?.roles, actor.roles) &&
    any(rule.actors?.scopes, actor.scopes) &&
    any(rule.products, [question.product]) &&
    any(rule.resourceTypes, [question.resourceType]) &&
    any(rule.actions, [question.action]) &&
    any(rule.tenants, question.lineage) &&
    (rule.when ?? []).every((condition) => {
      const entry = Object.entries(question.attributes).find(([name]) => name === condition.attribute);
      if (entry === undefined) return 'not' in condition && rule.effect === 'deny';
      if ('equals' in condition) return entry[1] === condition.equals;
      if ('in' in condition) return condition.in.includes(entry[1]);
      return typeof condition.not === 'string'
        ? entry[1] !== condition.not
        : !condition.not.includes(entry[1]);
    })
  );
}

function any(wanted: readonly string[] | undefined, had: readonly string[]): boolean {
  return wanted === undefined || wanted.some((value) => had.includes(value));
}
