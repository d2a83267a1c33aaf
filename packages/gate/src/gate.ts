/**
 * The enforcement point: finds out the facts, lets decide() decide, and keeps what it let through in
 * mind until the snapshots have it.
 *
 *  1. The policy engine gives its verdict.
 *  2. decide() with what is in memory. A denial ends here: nothing was taken.
 *  3. The usage is held, in the same instant: a request decided next sees it.
 *  4. Rates are charged, capacity is reserved; either may still deny, and then all is given back.
 */
import { randomUUID } from 'node:crypto';
import {
  decide,
  PendingUsage,
  Policies,
  type CapacityFact,
  type Decision,
  type DecisionRequest,
  type Facts,
  type Held,
  type Now,
  type PolicyEngine,
  type PolicyVerdict,
  type PolicyView,
  type RateFact,
  type UsageView,
} from '@meterhouse/quota';
import type { RateAnswer } from '@meterhouse/rate-limit';
import { AccessRulesOfRegistry } from './access-rules.ts';
import type { CapacityPort, CapacityWish, ReservedCapacity } from './capacity.ts';
import type { DecisionSink } from './decision-sink.ts';
import { frozen } from './frozen-facts.ts';
import { toRequest, type Question } from './question.ts';
import { rateCharges, rateFact, type RatePort } from './rates.ts';

export interface GateOptions {
  /** Follows the snapshots: readSnapshots() of @meterhouse/quota/reader. */
  readonly snapshots: { readonly usage: UsageView; readonly policy: PolicyView };
  /** Who may; by default the registry's access rules. */
  readonly engine?: PolicyEngine;
  /** Where plans have rates; without it they deny. */
  readonly rates?: RatePort;
  /** Where actions take capacity; without it they are denied. */
  readonly capacity?: CapacityPort;
  /** Gets what was denied or warned of. */
  readonly decisions?: DecisionSink;
  /** Hears of every admission and denial, for metrics; nobody by default. */
  readonly observer?: GateObserver;
  readonly clock?: () => Now;
  readonly newId?: () => string;
}

/** Called with each answer of `admit` before its caller has it: it must be quick and not throw. */
export interface GateObserver {
  decided(question: Pick<Question, 'tenantId' | 'route'>, decision: Decision): void;
}

/** A decision, and what has to be done about it afterwards. */
export interface Admission {
  readonly decision: Decision;
  /** False for a denial; a warning admits. */
  readonly admitted: boolean;
  readonly rate: RateAnswer | null;
  readonly reservation: ReservedCapacity | null;
  /** The work is done and its usage recorded: it counts here until a snapshot has it. */
  settle(): void;
  /** The work was not done: nothing of it counts, and its capacity is free again. */
  release(): Promise<void>;
}

export interface Gate {
  /** @throws InvalidQuestionError, and nothing else */
  admit(question: Question): Promise<Admission>;
  /**
   * What the answer would be, in microseconds and without taking anything: rates and capacity are not
   * asked. Only with an engine that answers at once.
   * @throws InvalidQuestionError; TypeError with another engine
   */
  look(question: Question): Decision;
  /** The question with everything that decides it, for explain() and recordDecision(). */
  factsOf(question: Question): Promise<{ readonly request: DecisionRequest; readonly facts: Facts }>;
}

export function createGate(options: GateOptions): Gate {
  return new EnforcementPoint(options);
}

const NOTHING_ASKED = { rate: { outcome: 'none' }, capacity: { outcome: 'not_asked' } } as const;
const NO_LIMITER: RateFact = { outcome: 'unavailable', retryAfterMs: 1_000 };
const NO_POOLS: CapacityFact = { outcome: 'unavailable', retryAfterMs: null };

class EnforcementPoint implements Gate {
  readonly #options: GateOptions;
  readonly #policies: Policies;
  readonly #engine: PolicyEngine;
  readonly #pending = new PendingUsage();
  readonly #clock: () => Now;
  readonly #newId: () => string;

  constructor(options: GateOptions) {
    this.#options = options;
    this.#policies = new Policies(options.snapshots.policy);
    this.#engine = options.engine ?? new AccessRulesOfRegistry(options.snapshots.policy);
    this.#clock = options.clock ?? bothClocks;
    this.#newId = options.newId ?? randomUUID;
  }

  look(question: Question): Decision {
    const request = this.#request(question);
    const verdict = this.#engine.evaluate(this.#policyQuestion(request, question));
    if (verdict instanceof Promise)
      throw new TypeError(`the policy engine ${this.#engine.name} does not answer at once: use admit`);
    return decide(request, this.#facts(verdict));
  }

  async factsOf(question: Question): Promise<{ request: DecisionRequest; facts: Facts }> {
    const request = this.#request(question);
    const verdict = await this.#engine.evaluate(this.#policyQuestion(request, question));
    return { request, facts: this.#facts(verdict) };
  }

  async admit(question: Question): Promise<Admission> {
    const admission = await this.#admit(question);
    this.#options.observer?.decided(question, admission.decision);
    return admission;
  }

  async #admit(question: Question): Promise<Admission> {
    const request = this.#request(question);
    const answer = this.#engine.evaluate(this.#policyQuestion(request, question));
    const verdict = answer instanceof Promise ? await answer : answer;
    // From here to the hold nothing is awaited, so no other request is decided in between.
    const facts = frozen(this.#facts(verdict));
    const first = decide(request, facts);
    if (first.outcome === 'deny') return this.#denied(request, facts, first, null);
    const held = this.#hold(request, facts.now);
    const taken = await this.#take(request, question, held).catch((error: unknown) => {
      held?.release();
      throw error;
    });
    const settled = { ...facts, rate: taken.rate.fact, capacity: taken.capacity };
    const decision = decide(request, settled);
    if (decision.outcome === 'deny') {
      await taken.release();
      return this.#denied(request, settled, decision, taken.rate.answer);
    }
    if (decision.reason !== 'ok') this.#options.decisions?.took(this.#newId(), request, settled, decision);
    return {
      decision,
      admitted: true,
      rate: taken.rate.answer,
      reservation: taken.reserved,
      settle: () => held?.settle(this.#clock().monotonicMs),
      release: taken.release,
    };
  }

  #request(question: Question): DecisionRequest {
    return toRequest(question, question.correlationId ?? this.#newId());
  }

  #policyQuestion(request: DecisionRequest, question: Question): Parameters<PolicyEngine['evaluate']>[0] {
    const tenant = this.#policies.tenant(request.tenantId);
    const { actor, product, resourceType, action } = request;
    const lineage = 'problem' in tenant ? [request.tenantId] : tenant.lineage.toReversed();
    return { actor, lineage, product, resourceType, action, attributes: question.attributes ?? {} };
  }

  #facts(verdict: PolicyVerdict): Facts {
    return {
      policies: this.#policies,
      verdict,
      usage: this.#options.snapshots.usage,
      pending: this.#pending,
      ...NOTHING_ASKED,
      now: this.#clock(),
    };
  }

  #hold({ tenantId, usage }: DecisionRequest, now: Now): Held | null {
    const tenant = this.#policies.tenant(tenantId);
    if (usage === null || usage.delta === 0n || 'problem' in tenant) return null;
    return this.#pending.hold(tenant.lineage, usage.metric, usage.delta, now.monotonicMs);
  }

  async #take(request: DecisionRequest, question: Question, held: Held | null): Promise<Taken> {
    const rate = await this.#chargeRates(request, question);
    const passes = rate.fact.outcome === 'none' || rate.fact.outcome === 'admitted';
    // Nobody reserves what would be denied for its rate; decide() names the rate first.
    const wish = passes ? this.#wish(request, question) : null;
    const { capacity: pools } = this.#options;
    const { fact: capacity, reserved } =
      wish === null
        ? { fact: passes ? { outcome: 'not_needed' as const } : NOTHING_ASKED.capacity, reserved: null }
        : pools === undefined
          ? { fact: NO_POOLS, reserved: null }
          : await pools.reserve(wish);
    return {
      rate,
      capacity,
      reserved,
      release: async () => {
        held?.release();
        if (wish !== null && reserved !== null) await pools?.release(wish, reserved);
      },
    };
  }

  async #chargeRates(request: DecisionRequest, question: Question): Promise<Taken['rate']> {
    const tenant = this.#policies.tenant(request.tenantId);
    if ('problem' in tenant) return { fact: NO_LIMITER, answer: null };
    const charges = rateCharges(
      this.#policies.view,
      tenant.lineage,
      question.route ?? null,
      question.cost ?? 1,
    );
    if (charges.length === 0) return { fact: { outcome: 'none' }, answer: null };
    const { rates } = this.#options;
    if (rates === undefined) return { fact: NO_LIMITER, answer: null };
    const answer = await rates.charge(charges, { rootId: tenant.lineage.at(-1) ?? request.tenantId });
    return { fact: rateFact(answer), answer };
  }

  #wish(request: DecisionRequest, question: Question): CapacityWish | null {
    const { product, resourceType, action, tenantId, slots, correlationId, actor } = request;
    const pool =
      this.#policies.view
        .product(product)
        ?.actions.find((each) => each.resourceType === resourceType && each.action === action)?.pool ?? null;
    if (pool === null || slots === 0) return null;
    const key = question.reservationKey ?? correlationId;
    return { pool, tenantId, units: slots, key, by: `${actor.type}:${actor.id}`.slice(0, 256) };
  }

  #denied(request: DecisionRequest, facts: Facts, decision: Decision, rate: RateAnswer | null): Admission {
    this.#options.decisions?.took(this.#newId(), request, facts, decision);
    return {
      decision,
      admitted: false,
      rate,
      reservation: null,
      settle: () => undefined,
      release: () => Promise.resolve(),
    };
  }
}

interface Taken {
  readonly rate: { readonly fact: RateFact; readonly answer: RateAnswer | null };
  readonly capacity: CapacityFact;
  readonly reserved: ReservedCapacity | null;
  readonly release: () => Promise<void>;
}

function bothClocks(): Now {
  return { wallMs: Date.now(), monotonicMs: performance.now() };
}
