import type { PolicyVerdict } from '@meterhouse/quota';
import type { PolicyProblem } from './question-bounds.ts';

/** Rules that a verdict names at most; what is beyond is said by a last entry such as `…12 more`. */
const RULES_NAMED = 20;

export function answered(
  engine: string,
  version: string,
  allowed: boolean,
  rules: readonly string[],
): PolicyVerdict {
  return { outcome: allowed ? 'allow' : 'deny', engine, version, rules: named(rules), problem: null };
}

export function unavailable(engine: string, version: string, problem: PolicyProblem): PolicyVerdict {
  return { outcome: 'unavailable', engine, version, rules: [], problem };
}

function named(rules: readonly string[]): readonly string[] {
  if (rules.length <= RULES_NAMED) return rules;
  return [...rules.slice(0, RULES_NAMED), `…${rules.length - RULES_NAMED} more`];
}
