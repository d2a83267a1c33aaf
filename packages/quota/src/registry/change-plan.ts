/**
 * What writing documents changes, or why it cannot be done. Pure. What is not named stays as it is.
 */
import type { DocumentKind } from './documents.ts';
import { authorityProblems } from './authority.ts';
import { billingProblems, strictCalendarProblems } from './billing.ts';
import { familyProblems, frozenProblems, referenceProblems, treeProblems } from './consistency.ts';
import { differences } from './differences.ts';
import type { RegistryState } from './registry-state.ts';

/** A document that shall be so. */
export interface WantedDocument {
  readonly kind: DocumentKind;
  readonly id: string;
  /** Checked by its kind's schema; null: it shall be removed. */
  readonly body: Readonly<Record<string, unknown>> | null;
  /** Where it stands in what a person wrote, such as `plans[0]`. */
  readonly path: string;
}

/** `plans[0].limits[1].metric: is not registered`. */
export type RegistryProblem = string;

export type PlannedChange = 'created' | 'changed' | 'removed' | 'unchanged';

export interface PlanEntry {
  readonly kind: DocumentKind;
  readonly name: string;
  readonly change: PlannedChange;
  /** `unit: token → byte`, for what is changed. */
  readonly details: readonly string[];
}

export interface DocumentChange {
  readonly kind: DocumentKind;
  readonly id: string;
  readonly before: unknown;
  readonly after: unknown;
  /** It raises a ceiling, or gives the right to, by nothing but the right of whoever does it. */
  readonly privileged: boolean;
}

export interface ChangePlan {
  readonly kind: 'plan';
  readonly entries: readonly PlanEntry[];
  readonly changes: readonly DocumentChange[];
}

export interface RefusedPlan {
  readonly kind: 'refused';
  readonly problems: readonly RegistryProblem[];
}

export interface PlanOptions {
  /** Names of metrics that have counted something: what they mean is settled. */
  readonly countedMetrics: ReadonlySet<string>;
  /** Whoever does it may raise ceilings and delegate the right to. */
  readonly privileged: boolean;
  /** Epoch ms. */
  readonly now: number;
}

export function planChanges(
  wanted: readonly WantedDocument[],
  before: RegistryState,
  options: PlanOptions,
): ChangePlan | RefusedPlan {
  const after = before.with(wanted);
  const authority = authorityProblems(wanted, before, after, options);
  const problems = [
    ...treeProblems(wanted, after),
    ...billingProblems(wanted, before, options.now),
    ...frozenProblems(wanted, before, options.countedMetrics),
    ...familyProblems(wanted),
    ...referenceProblems(wanted, after),
    ...strictCalendarProblems(wanted, after),
    ...authority.problems,
  ];
  if (problems.length > 0) return { kind: 'refused', problems };
  const planned = wanted.map((document) => {
    const { kind, id, body } = document;
    const was = before.get(kind, id) ?? null;
    const details = was === null || body === null ? [] : differences(was, body);
    const change = changeOf(was, body, details);
    return {
      entry: { kind, name: id, change, details: change === 'changed' ? details : [] },
      change: { kind, id, before: was, after: body, privileged: authority.privileged.has(document) },
    };
  });
  return {
    kind: 'plan',
    entries: planned.map(({ entry }) => entry),
    changes: planned.filter(({ entry }) => entry.change !== 'unchanged').map(({ change }) => change),
  };
}

function changeOf(was: unknown, body: unknown, details: readonly string[]): PlannedChange {
  if (was === null) return body === null ? 'unchanged' : 'created';
  if (body === null) return 'removed';
  return details.length === 0 ? 'unchanged' : 'changed';
}
