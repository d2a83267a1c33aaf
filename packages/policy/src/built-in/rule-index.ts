/**
 * Which rules are worth a look for a question.
 *
 * Each rule is filed under the values of one of its fields: the field whose values the fewest rules share.
 * Where many come together under one value, they are filed once more among themselves, by another field.
 * A question looks under its own values and meets every rule that can match it, and few that cannot:
 * thousands of rules for single tenants, principals or actions cost nothing to the others.
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

/** Rules that come together are looked at one by one up to this number. */
const FEW = 8;
/** How often a rule is filed, one within the other. */
const DEPTH = 3;
/** A rule with more values than this is not filed again: its copies would multiply. */
const VALUES_FILED_AGAIN = 4;

/** Rules by their place in the list of all rules. */
interface Cabinet {
  readonly drawers: Readonly<Record<Field, Map<string, Drawer>>>;
  /** Rules that have no field to be filed under. */
  readonly open: readonly number[];
}
type Drawer = readonly number[] | Cabinet;
type Sharing = Readonly<Record<Field, Map<string, number>>>;

export class RuleIndex {
  readonly #cabinet: Cabinet;
  /** By place: the last question that met the rule, so that a question meets it once. */
  readonly #metBy: Float64Array;
  #questions = 0;

  constructor(rules: readonly PreparedRule[]) {
    this.#metBy = new Float64Array(rules.length);
    this.#cabinet = file(
      rules,
      rules.map((_rule, place) => place),
      1,
    );
  }

  /** Calls `look` once with each rule that may match, in no order. */
  candidates(question: PolicyQuestion, look: (place: number) => void): void {
    this.#questions++;
    this.#openCabinet(this.#cabinet, question, look);
  }

  #openCabinet({ drawers, open }: Cabinet, question: PolicyQuestion, look: (place: number) => void): void {
    const { actor } = question;
    this.#meet(open, look);
    this.#openDrawer(drawers.actorIds, actor.id, question, look);
    this.#openDrawer(drawers.actorTypes, actor.type, question, look);
    this.#openDrawer(drawers.actions, question.action, question, look);
    this.#openDrawer(drawers.resourceTypes, question.resourceType, question, look);
    this.#openDrawer(drawers.products, question.product, question, look);
    for (const id of question.lineage) this.#openDrawer(drawers.tenants, id, question, look);
    for (const role of actor.roles) this.#openDrawer(drawers.roles, role, question, look);
    for (const scope of actor.scopes) this.#openDrawer(drawers.scopes, scope, question, look);
  }

  #openDrawer(
    drawers: ReadonlyMap<string, Drawer>,
    value: string,
    question: PolicyQuestion,
    look: (place: number) => void,
  ): void {
    if (drawers.size === 0) return;
    const drawer = drawers.get(value);
    if (drawer === undefined) return;
    if ('open' in drawer) this.#openCabinet(drawer, question, look);
    else this.#meet(drawer, look);
  }

  #meet(places: readonly number[], look: (place: number) => void): void {
    for (const place of places) {
      if (this.#metBy[place] === this.#questions) continue;
      this.#metBy[place] = this.#questions;
      look(place);
    }
  }
}

function file(rules: readonly PreparedRule[], places: readonly number[], depth: number): Cabinet {
  const sharing = countSharing(rules, places);
  const piles = byField(() => new Map<string, number[]>());
  const open: number[] = [];
  for (const place of places) {
    const rule = rules[place];
    const field = rule === undefined ? null : bestField(rule, sharing, places.length, depth);
    if (field === null) open.push(place);
    else for (const value of rule?.[field] ?? []) pileOf(piles[field], value).push(place);
  }
  const drawers = byField(() => new Map<string, Drawer>());
  for (const field of FIELDS)
    for (const [value, pile] of piles[field])
      drawers[field].set(value, pile.length > FEW && depth < DEPTH ? file(rules, pile, depth + 1) : pile);
  return { drawers, open };
}

/** Null where no field tells the rule from the others that are filed here. */
function bestField(rule: PreparedRule, sharing: Sharing, among: number, depth: number): Field | null {
  let best: Field | null = null;
  let bestCost = depth === 1 ? Infinity : among;
  for (const field of FIELDS) {
    const values = rule[field];
    if (values === null || (depth > 1 && values.size > VALUES_FILED_AGAIN)) continue;
    const cost = mostShared(values, sharing[field]);
    if (cost >= bestCost) continue;
    best = field;
    bestCost = cost;
  }
  return best;
}

function mostShared(values: ReadonlySet<string>, sharing: ReadonlyMap<string, number>): number {
  let most = 0;
  for (const value of values) most = Math.max(most, sharing.get(value) ?? 0);
  return most;
}

function countSharing(rules: readonly PreparedRule[], places: readonly number[]): Sharing {
  const sharing = byField(() => new Map<string, number>());
  for (const place of places)
    for (const field of FIELDS)
      for (const value of rules[place]?.[field] ?? [])
        sharing[field].set(value, (sharing[field].get(value) ?? 0) + 1);
  return sharing;
}

function pileOf(piles: Map<string, number[]>, value: string): number[] {
  const pile = piles.get(value) ?? [];
  if (pile.length === 0) piles.set(value, pile);
  return pile;
}

function byField<T>(make: () => T): Record<Field, T> {
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
