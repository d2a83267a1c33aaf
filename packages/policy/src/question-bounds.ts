/** What every engine is willing to look at. Beyond it a question is not answered, by any engine. */
import type { PolicyQuestion, PolicyVerdict } from '@meterhouse/quota';

export type PolicyProblem = NonNullable<PolicyVerdict['problem']>;

/** Lengths are in UTF-16 units. */
const QUESTION_BOUNDS = {
  roles: 256,
  scopes: 256,
  /** Depth of the tenant tree. */
  lineage: 32,
  attributes: 64,
  nameLength: 256,
  attributeValueLength: 4096,
} as const;

/**
 * Why the question cannot be asked: `overloaded` when it is larger than an engine takes,
 * `engine_failed` when it is not one: no tenant, an attribute called `__proto__`, or parts of other types
 * from untyped callers.
 */
export function problemOf(question: PolicyQuestion): PolicyProblem | null {
  const { actor, lineage } = question;
  if (lineage.length === 0) return 'engine_failed';
  return (
    (lineage.length > QUESTION_BOUNDS.lineage ? 'overloaded' : null) ??
    problemOfName(actor.type) ??
    problemOfName(actor.id) ??
    problemOfName(question.product) ??
    problemOfName(question.resourceType) ??
    problemOfName(question.action) ??
    problemOfNames(actor.roles, QUESTION_BOUNDS.roles) ??
    problemOfNames(actor.scopes, QUESTION_BOUNDS.scopes) ??
    problemOfNames(lineage, QUESTION_BOUNDS.lineage) ??
    problemOfAttributes(question.attributes)
  );
}

function problemOfName(name: unknown): PolicyProblem | null {
  if (typeof name !== 'string') return 'engine_failed';
  return name.length > QUESTION_BOUNDS.nameLength ? 'overloaded' : null;
}

function problemOfNames(names: readonly string[], most: number): PolicyProblem | null {
  // A text has a length and can be walked too.
  if (!Array.isArray(names)) return 'engine_failed';
  if (names.length > most) return 'overloaded';
  for (const name of names) {
    const problem = problemOfName(name);
    if (problem !== null) return problem;
  }
  return null;
}

function problemOfAttributes(attributes: Readonly<Record<string, unknown>>): PolicyProblem | null {
  let count = 0;
  for (const name in attributes) {
    const value = attributes[name];
    // JavaScript loses an attribute of this name in too many places: a rule on it might not see it.
    if (typeof value !== 'string' || name === '__proto__') return 'engine_failed';
    if (++count > QUESTION_BOUNDS.attributes) return 'overloaded';
    if (name.length > QUESTION_BOUNDS.nameLength) return 'overloaded';
    if (value.length > QUESTION_BOUNDS.attributeValueLength) return 'overloaded';
  }
  return null;
}
