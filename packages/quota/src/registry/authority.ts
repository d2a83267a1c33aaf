/**
 * Who may raise a ceiling. An override may always narrow. One that stands above the ceilings of its
 * scope or above it needs a delegation or a privileged actor, and delegating is privileged itself.
 * decide() does not rely on this: without authority an override has no power to raise. This is what
 * tells a person so, instead of writing what would do nothing.
 */
import { ceilingsOf, type CeilingSource } from '../decision/ceilings.ts';
import { perPeriod } from './billing.ts';
import type { RegistryProblem, WantedDocument } from './change-plan.ts';
import { amountOf, type DelegationDocument, type OverrideDocument } from './documents.ts';
import type { RegistryState } from './registry-state.ts';
import { Boundaries } from './validity.ts';

export interface AuthorityAnswer {
  readonly problems: readonly RegistryProblem[];
  /** What is done by privilege alone. */
  readonly privileged: ReadonlySet<WantedDocument>;
}

export function authorityProblems(
  wanted: readonly WantedDocument[],
  before: RegistryState,
  after: RegistryState,
  options: { readonly privileged: boolean; readonly now: number },
): AuthorityAnswer {
  const problems: RegistryProblem[] = [];
  const privileged = new Set<WantedDocument>();
  for (const document of wanted) {
    const { kind, body, path } = document;
    if (body === null) continue;
    if (
      (kind === 'delegation' || kind === 'override') &&
      givesNothingNew(before.get(kind, document.id), body as Granting)
    )
      continue;
    if (kind === 'delegation') {
      problems.push(...delegationProblems(body as DelegationDocument, path, after));
      privileged.add(document);
    }
    if (kind === 'override') {
      const override = body as OverrideDocument;
      if (override.raises?.by === 'privileged') privileged.add(document);
      else problems.push(...raiseProblems(override, path, after, options.now));
    }
  }
  if (!options.privileged)
    for (const { path, kind } of privileged)
      problems.push(
        `${path}: ${kind === 'delegation' ? 'delegating the right to raise' : 'raising'} a ceiling is a privileged act`,
      );
  return { problems, privileged };
}

type Granting = OverrideDocument | DelegationDocument;

/** What only ends sooner, or says otherwise who and why, lets nobody do more than before. */
function givesNothingNew(was: Granting | undefined, becomes: Granting): boolean {
  return was !== undefined && rightsOf(was) === rightsOf(becomes) && !endsLater(becomes.expiry, was.expiry);
}

/** Both were made by their schema, so equal rights have equal texts. */
function rightsOf(document: Granting): string {
  return JSON.stringify({ ...document, reason: null, author: null, expiry: null });
}

/** Null is never. */
function endsLater(expiry: string | null, than: string | null): boolean {
  return than !== null && (expiry === null || Date.parse(expiry) > Date.parse(than));
}

function delegationProblems(
  given: DelegationDocument,
  path: string,
  after: RegistryState,
): RegistryProblem[] {
  return lineageOf(given.to, after).includes(given.tenant)
    ? []
    : [`${path}.to: ${given.to} is not below ${given.tenant}`];
}

function raiseProblems(
  override: OverrideDocument,
  path: string,
  after: RegistryState,
  now: number,
): RegistryProblem[] {
  const lineage = lineageOf(override.tenant, after);
  const { raises, value, metric, period } = override;
  if (raises?.by === 'delegation') {
    const given = after.get('delegation', raises.delegation);
    if (given === undefined)
      return [`${path}.raises.delegation: there is no delegation ${raises.delegation}`];
    if (given.metric !== metric || given.period !== period)
      return [
        `${path}.raises.delegation: ${raises.delegation} is for ${given.metric} ${perPeriod(given.period)}`,
      ];
    if (!lineage.includes(given.to))
      return [`${path}.raises.delegation: ${raises.delegation} is for ${given.to} and what is below`];
    if (amountOf(value) > amountOf(given.upTo))
      return [`${path}.value: ${value} is above the ${given.upTo} that ${raises.delegation} gives`];
    return [];
  }
  const at = { earliest: now, latest: now };
  const { active } = ceilingsOf(viewWithout(after, override), lineage, metric, at, new Boundaries());
  const lower = active.find((ceiling) => ceiling.period === period && ceiling.value < amountOf(value));
  return lower === undefined
    ? []
    : [
        `${path}.value: ${value} is above the ceiling of ${lower.scope} (${lower.source}) and would have no effect; raising it needs a delegation, or a privileged actor`,
      ];
}

function lineageOf(id: string, state: RegistryState): string[] {
  const lineage: string[] = [];
  for (let at: string | null = id; at !== null; at = state.get('tenant', at)?.parent ?? null) {
    // Circles are another check's problem; here they only must end.
    if (lineage.includes(at)) break;
    lineage.push(at);
  }
  return lineage;
}

/**
 * What ceilings there are but for this override, and for what only narrows the same scope: beside that
 * it may stand, for when the other ends, without raising anything.
 */
function viewWithout(state: RegistryState, override: OverrideDocument): CeilingSource {
  return {
    tenant: (id) => state.get('tenant', id),
    plan: (id) => state.get('plan', id),
    delegation: (id) => state.get('delegation', id),
    overrides: (tenantId) =>
      [...state.all('override').values()].filter(
        ({ id, tenant, raises }) =>
          tenant === tenantId && id !== override.id && !(tenant === override.tenant && raises === null),
      ),
  };
}
