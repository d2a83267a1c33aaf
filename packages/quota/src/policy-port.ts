/**
 * The port behind which the policy question sits: may this actor do this? Engines implement it;
 * decide() takes their verdict as evidence.
 */

export interface Actor {
  /** Such as `user`, `service` or `api_key`. */
  readonly type: string;
  readonly id: string;
  readonly roles: readonly string[];
  readonly scopes: readonly string[];
}

export interface PolicyQuestion {
  readonly actor: Actor;
  /** Tenant ids from the root down to where the request is made. */
  readonly lineage: readonly string[];
  readonly product: string;
  readonly resourceType: string;
  readonly action: string;
  /** Whatever else rules may look at; never what identifies the actor. */
  readonly attributes: Readonly<Record<string, string>>;
}

export interface PolicyVerdict {
  readonly outcome: 'allow' | 'deny' | 'unavailable';
  /** Such as `built_in` or `cedar`. */
  readonly engine: string;
  /** Names the set of rules that answered, so that the answer can be traced to it. */
  readonly version: string;
  /** The rules that decided, by id; none when nothing matched, which is a denial. */
  readonly rules: readonly string[];
  /** Why the engine did not answer; null when it did. */
  readonly problem: 'deadline' | 'engine_failed' | 'bad_answer' | 'overloaded' | null;
}

/** Never throws and never rejects: an engine that cannot answer says `unavailable`, which denies. */
export interface PolicyEngine {
  readonly name: string;
  evaluate(question: PolicyQuestion): PolicyVerdict | Promise<PolicyVerdict>;
}
