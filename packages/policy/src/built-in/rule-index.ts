/**
 * Which rules are worth a look for a question.
 *
 * Each rule is filed once, under the values of one of its fields: the field whose values the fewest
 * rules share. A question looks under its own values of each field and meets every rule that can match
 * it, and few that cannot: thousands of rules for single tenants or principals cost nothing to others.
 */
import type { PolicyQuestion } from '@meterhouse/quota';
import type { PreparedRule } from './rule-match.ts';

const FIELDS = [
  'actorIds',
  'tenants',
  'roles',
  'scopes',
  'actions',
  'resourceTypes',
  'products',
  'actorTypes',
] as const;
type Field = (typeof FIELDS)[number];

/** Rules by a value of the field that they are filed under; each by its place in the list of rules. */
type Drawer = Map<string, number[]>;

export class RuleIndex {
  readonly #drawers: Readonly<Record<Field, Drawer>>;
  /** Rules that name nothing. */
  readonly #unfiled: number[] = [];
  /** By place: the last question that met the rule, so that a question meets it once. */
  readonly #metBy: Float64Array;
  #questions = 0;

  constructor(rules: readonly PreparedRule[]) {
    this.#drawers = emptyDrawers();
    this.#metBy = new Float64Array(rules.length);
    const sharing = countSharing(rules);
    rules.forEach((rule, place) => this.#file(rule, place, sharing));
  }

  /** Calls `look` once with each rule that may match, in no order. */
  candidates(question: PolicyQuestion, look: (place: number) => void): void {
    this.#questions++;
    const { actor } = question;
    const drawers = this.#drawers;
    for (const place of this.#unfiled) look(place);
    this.#under(drawers.actorIds, actor.id, look);
    this.#under(drawers.actorTypes, actor.type, look);
    this.#under(drawers.actions, question.action, look);
    this.#under(drawers.resourceTypes, question.resourceType, look);
    this.#under(drawers.products, question.product, look);
    if (drawers.tenants.size > 0) for (const id of question.lineage) this.#under(drawers.tenants, id, look);
    if (drawers.roles.size > 0) for (const role of actor.roles) this.#under(drawers.roles, role, look);
    if (drawers.scopes.size > 0) for (const scope of actor.scopes) this.#under(drawers.scopes, scope, look);
  }

  #under(drawer: Drawer, value: string, look: (place: number) => void): void {
    if (drawer.size === 0) return;
    const places = drawer.get(value);
    if (places === undefined) return;
    for (const place of places) {
      if (this.#metBy[place] === this.#questions) continue;
      this.#metBy[place] = this.#questions;
      look(place);
    }
  }

  #file(rule: PreparedRule, place: number, sharing: Readonly<Record<Field, Map<string, number>>>): void {
    let best: Field | null = null;
    let bestCost = Infinity;
    for (const field of FIELDS) {
      const cost = costOf(rule[field], sharing[field]);
      if (cost >= bestCost) continue;
      best = field;
      bestCost = cost;
    }
    if (best === null) {
      this.#unfiled.push(place);
      return;
    }
    const drawer = this.#drawers[best];
    for (const value of rule[best] ?? []) {
      const places = drawer.get(value);
      if (places === undefined) drawer.set(value, [place]);
      else places.push(place);
    }
  }
}

/** How many rules share the most shared of the values; Infinity where the field is not restricted. */
function costOf(values: ReadonlySet<string> | null, sharing: ReadonlyMap<string, number>): number {
  if (values === null) return Infinity;
  let most = 0;
  for (const value of values) most = Math.max(most, sharing.get(value) ?? 0);
  return most;
}

function countSharing(rules: readonly PreparedRule[]): Record<Field, Map<string, number>> {
  const sharing = emptyRecord(() => new Map<string, number>());
  for (const rule of rules)
    for (const field of FIELDS)
      for (const value of rule[field] ?? []) sharing[field].set(value, (sharing[field].get(value) ?? 0) + 1);
  return sharing;
}

function emptyDrawers(): Record<Field, Drawer> {
  return emptyRecord(() => new Map<string, number[]>());
}

function emptyRecord<T>(make: () => T): Record<Field, T> {
  return {
    actorIds: make(),
    tenants: make(),
    roles: make(),
    scopes: make(),
    actions: make(),
    resourceTypes: make(),
    products: make(),
    actorTypes: make(),
  };
}
