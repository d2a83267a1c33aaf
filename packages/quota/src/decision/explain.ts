/** The whole walk of a decision as rows that a person can read: each question, its answer, and why. */
import { formatDecimal } from '@meterhouse/usage';
import { describeCeiling } from './ceilings.ts';
import { ceilingsMet } from './ceilings-met.ts';
import type { Facts, PlacesFact, StrictFact } from './decide.ts';
import type { Decision, QuotaCheck, Reason } from './decision.ts';
import type { DecisionRequest } from './request.ts';

export interface ExplainedStep {
  readonly question: string;
  readonly answer: 'yes' | 'no' | 'warns' | 'not asked';
  readonly because: string;
}

/** Which question a reason is the answer to. */
const QUESTION_OF: Readonly<Record<Reason, number>> = {
  unknown_tenant: 0,
  tenant_suspended: 0,
  tenant_closed: 0,
  registry_incomplete: 0,
  policy_denied: 1,
  policy_unavailable: 1,
  missing_entitlement: 2,
  unknown_unit: 3,
  stale_snapshot: 4,
  quota_exhausted: 5,
  quota_warning: 5,
  quota_unavailable: 6,
  rate_limited: 7,
  rate_unavailable: 7,
  no_capacity: 9,
  capacity_unavailable: 9,
  ok: 10,
};

export function explain(request: DecisionRequest, facts: Facts, decision: Decision): ExplainedStep[] {
  const { verdict, policies } = facts;
  const tenant = policies.tenant(request.tenantId);
  const { asOf, ageMs, registryVersion } = decision.evidence;
  const what = `${request.action} ${request.resourceType} of ${request.product}`;
  const steps: { question: string; because: string }[] = [
    {
      question: 'Is the account active?',
      because:
        'problem' in tenant
          ? `${request.tenantId}: ${tenant.problem}`
          : `${tenant.lineage.toReversed().join(' → ')}, ${tenant.class.replace('_', ' ')}; registry ${registryVersion}`,
    },
    {
      question: `May ${request.actor.type} ${request.actor.id} ${what}?`,
      because: `${verdict.engine} ${verdict.version}: ${verdict.problem ?? verdict.outcome}${
        verdict.rules.length === 0 ? ', no rule matched' : ` by ${verdict.rules.join(', ')}`
      }`,
    },
    {
      question: 'Is the account entitled to it?',
      because:
        decision.entitledBy === null
          ? 'no plan or grant covers it all the way up'
          : `${decision.entitledBy}${decision.tier === null ? '' : `, tier ${decision.tier}`}`,
    },
    {
      question: 'Does the product offer it?',
      because: request.usage === null ? what : `${what}, ${request.usage.metric} in ${request.usage.unit}`,
    },
    {
      question: 'Is usage known well enough?',
      because:
        asOf === null
          ? 'nothing was heard of the snapshots'
          : `as of ${new Date(asOf).toISOString()}, at most ${Number.isFinite(ageMs) ? `${Math.ceil(ageMs)} ms` : 'who knows how'} old; ${
              'problem' in tenant ? 'no limit is known' : `up to ${tenant.maxAgeMs} ms will do`
            }`,
    },
    {
      question:
        request.usage === null
          ? 'Is quota left?'
          : `Is quota left for ${formatDecimal(request.usage.delta)}?`,
      because: decision.checks.length === 0 ? 'no ceiling' : 'see each ceiling below',
    },
    { question: 'Is it left across all processes?', because: strictText(facts.strict) },
    { question: 'Is it within the rate?', because: facts.rate.outcome },
    { question: 'Is a place free?', because: placesText(facts.places) },
    { question: 'Is there capacity?', because: facts.capacity.outcome.replace('_', ' ') },
  ];
  const at = questionOf(decision, facts);
  const rows = steps.map(({ question, because }, index): ExplainedStep => {
    if (index === at) return { question, because, answer: answerOf(decision) };
    const asked = index < at || decision.outcome !== 'deny';
    return asked ? { question, because, answer: 'yes' } : { question, because: '', answer: 'not asked' };
  });
  return [...rows, ...ceilingRows(request, facts, decision)];
}

function questionOf({ reason, quota }: Decision, { strict, places }: Facts): number {
  if (reason === 'quota_exhausted' && strict.outcome === 'exhausted' && quota?.toldBy !== 'snapshot')
    return 6;
  const byPlaces = places.outcome === 'full' || places.outcome === 'unavailable';
  if ((reason === 'no_capacity' || reason === 'capacity_unavailable') && byPlaces) return 8;
  return QUESTION_OF[reason];
}

function strictText(strict: StrictFact): string {
  if (strict.outcome === 'exhausted') return `${strict.scope}: ${strict.used} used, by the counter of all`;
  if (strict.outcome === 'skipped') return `not known, ${strict.because}: the snapshot alone decides`;
  if (strict.outcome === 'unavailable') return `not known, ${strict.because}`;
  return strict.outcome === 'not_needed' ? 'no strict ceiling' : strict.outcome.replace('_', ' ');
}

function placesText(places: PlacesFact): string {
  if (places.outcome === 'full') return `${places.scope}: all of ${places.limit} are taken`;
  return places.outcome === 'none' ? 'no limit on how many at once' : places.outcome;
}

function answerOf(decision: Decision): ExplainedStep['answer'] {
  if (decision.outcome === 'deny') return 'no';
  return decision.reason === 'ok' ? 'yes' : 'warns';
}

function ceilingRows(request: DecisionRequest, facts: Facts, decision: Decision): ExplainedStep[] {
  const { usage } = request;
  if (usage === null) return [];
  const rows = decision.checks.map((check): ExplainedStep => {
    const fits = usage.delta <= check.remaining;
    return {
      question: `  ${describeCeiling(check.ceiling)}`,
      answer: fits ? 'yes' : check.ceiling.mode === 'hard' ? 'no' : 'warns',
      because: amounts(check),
    };
  });
  const { lifted } = ceilingsMet(request, facts);
  return [
    ...rows,
    ...lifted.map((ceiling): ExplainedStep => ({
      question: `  ${describeCeiling(ceiling)}`,
      answer: 'not asked',
      because: `lifted by ${ceiling.liftedBy}`,
    })),
  ];
}

function amounts({ used, pending, overshoot, remaining, ceiling }: QuotaCheck): string {
  const kept = ceiling.headroom === 'auto' ? ', kept back' : '';
  return `used ${formatDecimal(used)}, pending ${formatDecimal(pending)}, left ${formatDecimal(remaining)}; others may have used ${formatDecimal(overshoot)} more since${kept}`;
}
