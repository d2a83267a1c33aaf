/**
 * The enforcement point: finds out the facts, lets decide() decide, and keeps what it let through in
 * mind until the snapshots have it.
 *
 *  1. The policy engine gives its verdict.
 *  2. decide() with what is in memory. A denial ends here: nothing was taken. Where nothing else has to be
 *     asked, this is the decision.
 *  3. The usage is held, in the same instant: a request decided next sees it.
 *  4. Strict counters, rates and places are charged together, then capacity is reserved; each may still
 *     deny, and then all is given back.
 */
import { randomUUID } from 'node:crypto';
import {
  ALL_PPM,
  decide,
  PendingUsage,
  Policies,
  toRequest,
  type Decision,
  type DecisionRequest,
  type Facts,
  type Held,
  type Now,
  type PolicyEngine,
  type PolicyVerdict,
  type PolicyView,
  type Question,
  type UsageView,
} from '@meterhouse/quota';
import type { RateAnswer } from '@meterhouse/rate-limit';
import { AccessRulesOfRegistry } from './access-rules.ts';
import type { CapacityPort, ReservedCapacity } from './capacity.ts';
import type { DecisionSink } from './decision-sink.ts';
import { frozen } from './frozen-facts.ts';
import { NOTHING_ASKED, policyQuestionOf } from './look.ts';
import { isSampled } from './sampling.ts';
import type { RatePort } from './shared-limits.ts';
import { StrictQuotas } from './strict-quotas.ts';
import { NOTHING_TAKEN, Taker, type GateStatus, type Taken } from './taking.ts';

export interface GateOptions {
  /** Follows the snapshots: readSnapshots() of @meterhouse/quota/reader. */
  readonly snapshots: { readonly usage: UsageView; readonly policy: PolicyView };
  /** Who may; by default the registry's access rules. */
  readonly engine?: PolicyEngine;
  /** Where plans have rates, concurrency limits or strict limits; without it they deny. */
  readonly rates?: RatePort;
  /** Where actions take capacity; without it they are denied. */
  readonly capacity?: CapacityPort;
  /** Gets what was denied or warned of, and a sample of what was allowed. */
  readonly decisions?: DecisionSink;
  /** How many of a million decisions that allow are kept; default none. Chosen by their ids. */
  readonly sampleAllowsPpm?: number;
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
  /** Aborted once a place of a concurrency limit may be somebody else's: stop. Null where none was taken. */
  readonly lost: AbortSignal | null;
  /** The work is done and its usage recorded: it counts here until a snapshot has it. Its place is free. */
  settle(): void;
  /** The work was not done: nothing of it counts, and its capacity, if any, is free again. */
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
  status(): GateStatus;
  /** Ends what runs in the background. What was admitted can still be settled and released. */
  close(): Promise<void>;
}

export function createGate(options: GateOptions): Gate {
  return new EnforcementPoint(options);
}

class EnforcementPoint implements Gate {
  readonly #options: GateOptions;
  readonly #policies: Policies;
  readonly #engine: PolicyEngine;
  readonly #pending = new PendingUsage();
  readonly #clock: () => Now;
  readonly #newId: () => string;
  readonly #taker: Taker;

  constructor(options: GateOptions) {
    this.#options = options;
    this.#policies = new Policies(options.snapshots.policy);
    this.#engine = options.engine ?? new AccessRulesOfRegistry(options.snapshots.policy);
    this.#clock = options.clock ?? bothClocks;
    this.#newId = options.newId ?? randomUUID;
    const { sampleAllowsPpm = 0, snapshots, rates: limiter } = options;
    if (!Number.isInteger(sampleAllowsPpm) || sampleAllowsPpm < 0 || sampleAllowsPpm > ALL_PPM)
      throw new RangeError('sampleAllowsPpm: must be a whole number up to 1,000,000');
    const strict =
      limiter === undefined ? null : new StrictQuotas({ snapshots, limiter, clock: this.#clock });
    strict?.start();
    const { capacity: pools } = options;
    this.#taker = new Taker({ policies: this.#policies, limiter, pools, strict, newId: this.#newId });
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
    const facts = this.#facts(verdict);
    const asks = this.#taker.asks(request, question, facts);
    const kept = asks === null ? facts : frozen(facts);
    const first = decide(request, kept);
    if (first.outcome === 'deny') return this.#denied(request, kept, first, null);
    const held = this.#hold(request, facts.now);
    if (asks === null) return this.#admitted(request, kept, first, { ...NOTHING_TAKEN, held });
    const taken = await this.#taker.take(request, asks, held).catch((error: unknown) => {
      held?.release();
      throw error;
    });
    const { strict, rate, places } = taken.charged;
    const settled = { ...kept, strict, rate, places, capacity: taken.capacity };
    const decision = decide(request, settled);
    if (decision.outcome === 'deny') {
      await this.#taker.release(taken);
      return this.#denied(request, settled, decision, taken.charged.answer);
    }
    return this.#admitted(request, settled, decision, taken);
  }

  status(): GateStatus {
    return this.#taker.status();
  }

  async close(): Promise<void> {
    await this.#taker.close();
  }

  #request(question: Question): DecisionRequest {
    return toRequest(question, question.correlationId ?? this.#newId());
  }

  #policyQuestion(request: DecisionRequest, question: Question): Parameters<PolicyEngine['evaluate']>[0] {
    return policyQuestionOf(request, question, this.#policies);
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

  #admitted(request: DecisionRequest, facts: Facts, decision: Decision, taken: Taken): Admission {
    this.#keep(request, facts, decision);
    return {
      decision,
      admitted: true,
      rate: taken.charged.answer,
      reservation: taken.reserved,
      lost: taken.place?.signal ?? null,
      settle: () => {
        taken.settled = true;
        taken.held?.settle(this.#clock().monotonicMs);
        void taken.place?.release();
      },
      release: () => this.#taker.release(taken),
    };
  }

  /** All that deny or warn; of the others as many as are sampled. */
  #keep(request: DecisionRequest, facts: Facts, { reason }: Decision): void {
    const { decisions, sampleAllowsPpm = 0 } = this.#options;
    if (decisions === undefined || (reason === 'ok' && sampleAllowsPpm === 0)) return;
    const id = this.#newId();
    if (reason !== 'ok') decisions.took(id, request, facts, ALL_PPM);
    else if (isSampled(id, sampleAllowsPpm)) decisions.took(id, request, facts, sampleAllowsPpm);
  }

  #denied(request: DecisionRequest, facts: Facts, decision: Decision, rate: RateAnswer | null): Admission {
    this.#keep(request, facts, decision);
    return {
      decision,
      admitted: false,
      rate,
      reservation: null,
      lost: null,
      settle: () => undefined,
      release: () => Promise.resolve(),
    };
  }
}

function bothClocks(): Now {
  return { wallMs: Date.now(), monotonicMs: performance.now() };
}
