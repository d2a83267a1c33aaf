/**
 * What a scope's documents and those above it come to: ceilings and entitlements, worked out once and
 * remembered until a document begins or ends to be in force. A scope without documents of its own is
 * on the terms of the scope above: nearly all are, so little is remembered and much of it is in use.
 */
import type { PolicyView } from '../registry/policy-set.ts';
import { Boundaries, type TimeBounds } from '../registry/validity.ts';
import { ceilingsOf, type Ceiling, type Ceilings } from './ceilings.ts';
import { entitled, type EntitlementAnswer, type Wanted } from './entitled.ts';

/** An answer that holds until a document begins or ends to be in force; null: whatever the time. */
interface Timed<T> {
  readonly answer: T;
  readonly until: { readonly boundaries: Boundaries; readonly at: TimeBounds } | null;
}

/** A scope's ceiling is the same object on its own terms and on those of all scopes below. */
export class SharedCeilings {
  readonly #byUsage = new Map<string, Ceiling>();

  /** As many as scopes, metrics and periods have ceilings, at one generation of the registry. */
  of(ceilings: Ceilings): Ceilings {
    return { ...ceilings, active: ceilings.active.map((each) => this.#sharedOf(each)) };
  }

  #sharedOf(ceiling: Ceiling): Ceiling {
    const key = ceiling.usageKey.text;
    const known = this.#byUsage.get(key);
    // All else follows from the scope's plan.
    if (known?.value === ceiling.value && known.source === ceiling.source) return known;
    this.#byUsage.set(key, ceiling);
    return ceiling;
  }
}

export class Terms {
  readonly #view: PolicyView;
  readonly #shared: SharedCeilings;
  readonly #lineage: readonly string[];
  /** By metric. */
  readonly #ceilings = new Map<string, Timed<Ceilings>>();
  /** By what a product offers, the same object each time. */
  readonly #entitled = new Map<Wanted, Timed<EntitlementAnswer | null>>();

  /** @param lineage tenant ids from the scope whose terms they are up to the root */
  constructor(view: PolicyView, lineage: readonly string[], shared: SharedCeilings) {
    this.#view = view;
    this.#shared = shared;
    this.#lineage = lineage;
  }

  /** @param metric of the registry, which bounds what is remembered */
  ceilings(metric: string, at: TimeBounds): Ceilings {
    const known = this.#ceilings.get(metric);
    if (known !== undefined && holds(known, at)) return known.answer;
    const boundaries = new Boundaries();
    const answer = this.#shared.of(ceilingsOf(this.#view, this.#lineage, metric, at, boundaries));
    this.#ceilings.set(metric, timed(answer, boundaries, at));
    return answer;
  }

  /** @param offer what a product offers; an answer about anything else is not remembered: it would have no bound */
  entitled(offer: Wanted, at: TimeBounds): EntitlementAnswer | null {
    const known = this.#entitled.get(offer);
    if (known !== undefined && holds(known, at)) return known.answer;
    const boundaries = new Boundaries();
    const answer = entitled(this.#view, this.#lineage, offer, at, boundaries);
    this.#entitled.set(offer, timed(answer, boundaries, at));
    return answer;
  }

  /** The same, not remembered. */
  entitledTo(wanted: Wanted, at: TimeBounds): EntitlementAnswer | null {
    return entitled(this.#view, this.#lineage, wanted, at, new Boundaries());
  }
}

/** Whether the scope has documents that its own terms are made of. */
export function hasOwnTerms(view: PolicyView, scope: string): boolean {
  return (
    (view.tenant(scope)?.plan ?? null) !== null ||
    view.overrides(scope).length > 0 ||
    view.entitlements(scope).length > 0
  );
}

function timed<T>(answer: T, boundaries: Boundaries, at: TimeBounds): Timed<T> {
  return { answer, until: boundaries.none ? null : { boundaries, at } };
}

function holds({ until }: Timed<unknown>, at: TimeBounds): boolean {
  return until === null || until.boundaries.same(until.at, at);
}
