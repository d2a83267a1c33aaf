/** One rule against one question, prepared so that it costs no more than looks into sets. */
import type { PolicyQuestion } from '@meterhouse/quota';
import type { AccessCondition, AccessRule } from '@meterhouse/quota';

interface PreparedCondition {
  readonly attribute: string;
  readonly values: ReadonlySet<string>;
  /** Whether the value must be one of `values`, or none of them. */
  readonly member: boolean;
  /** What an absent attribute counts as. */
  readonly whenAbsent: boolean;
}

export interface PreparedRule {
  readonly id: string;
  readonly allows: boolean;
  readonly actorTypes: ReadonlySet<string> | null;
  readonly actorIds: ReadonlySet<string> | null;
  readonly roles: ReadonlySet<string> | null;
  readonly scopes: ReadonlySet<string> | null;
  readonly products: ReadonlySet<string> | null;
  readonly resourceTypes: ReadonlySet<string> | null;
  readonly actions: ReadonlySet<string> | null;
  readonly tenants: ReadonlySet<string> | null;
  readonly when: readonly PreparedCondition[];
}

export function prepare(rule: AccessRule): PreparedRule {
  return {
    id: rule.id,
    allows: rule.effect === 'allow',
    actorTypes: setOf(rule.actors?.types),
    actorIds: setOf(rule.actors?.ids),
    roles: setOf(rule.actors?.roles),
    scopes: setOf(rule.actors?.scopes),
    products: setOf(rule.products),
    resourceTypes: setOf(rule.resourceTypes),
    actions: setOf(rule.actions),
    tenants: setOf(rule.tenants),
    when: (rule.when ?? []).map((condition) => prepareCondition(condition, rule.effect)),
  };
}

export function matches(rule: PreparedRule, question: PolicyQuestion): boolean {
  const { actor } = question;
  return (
    holdsOne(rule.actions, question.action) &&
    holdsOne(rule.resourceTypes, question.resourceType) &&
    holdsOne(rule.products, question.product) &&
    holdsOne(rule.actorIds, actor.id) &&
    holdsOne(rule.actorTypes, actor.type) &&
    holdsAny(rule.roles, actor.roles) &&
    holdsAny(rule.tenants, question.lineage) &&
    holdsAny(rule.scopes, actor.scopes) &&
    meets(rule.when, question.attributes)
  );
}

function prepareCondition(condition: AccessCondition, effect: AccessRule['effect']): PreparedCondition {
  const { attribute } = condition;
  if ('equals' in condition)
    return { attribute, values: new Set([condition.equals]), member: true, whenAbsent: false };
  if ('in' in condition) return { attribute, values: new Set(condition.in), member: true, whenAbsent: false };
  const { not } = condition;
  const values = new Set(typeof not === 'string' ? [not] : not);
  return { attribute, values, member: false, whenAbsent: effect === 'deny' };
}

function setOf(list: readonly string[] | undefined): ReadonlySet<string> | null {
  return list === undefined ? null : new Set(list);
}

function holdsOne(set: ReadonlySet<string> | null, value: string): boolean {
  return set === null || set.has(value);
}

function holdsAny(set: ReadonlySet<string> | null, values: readonly string[]): boolean {
  if (set === null) return true;
  for (const value of values) if (set.has(value)) return true;
  return false;
}

function meets(conditions: readonly PreparedCondition[], attributes: PolicyQuestion['attributes']): boolean {
  for (const { attribute, values, member, whenAbsent } of conditions) {
    // Names such as `constructor` are not attributes of a question that does not have them.
    const value = Object.hasOwn(attributes, attribute) ? attributes[attribute] : undefined;
    const met = value === undefined ? whenAbsent : values.has(value) === member;
    if (!met) return false;
  }
  return true;
}
