/**
 * decide() by what Postgres says now: the registry at its current version, and usage and its as-of, all
 * of one snapshot. decide() walks twice: once to see which usage it asks for, once with it.
 *
 * While Postgres does not answer, the registry that is known goes on to decide and usage counts as
 * unknown: `stale_snapshot`, which denies on every launch-sensitive path and wherever the plan says so.
 * A registry that is older than the bound, or was never read, decides nothing.
 */
import { AccessRulesOfRegistry, NOTHING_ASKED, policyQuestionOf } from '@meterhouse/gate/look';
import {
  asOf,
  inTransaction,
  isRetryable,
  readMetrics,
  readUsage,
  readUsagePoint,
  registryChangesSince,
  type Pool,
  type PoolClient,
} from '@meterhouse/postgres';
import {
  decide,
  InvalidQuestionError,
  periodsOf,
  placeOf,
  Policies,
  PolicySet,
  type Place,
  showDecision,
  toRequest,
  type Decision,
  type DecisionRequest,
  type Facts,
  type Now,
  type QuotaPeriod,
  type UsageView,
} from '@meterhouse/quota';
import { formatDecimal, hourOf, HOUR_MS, usedAmount, type Billionths } from '@meterhouse/usage';
import { ReaderError, type Check, type ClassOf, type Tools } from '../../adapter.ts';
import type { CheckedQuestion } from '../../check.ts';
import { unavailable } from './read-usage.ts';
import type { TenantScope } from './tenant-scope.ts';

/** How long a registry decides that nobody could look at again. */
const MAX_POLICY_AGE_MS = 300_000;
const STATEMENT_TIMEOUT_MS = 5_000;

interface AskedKey {
  readonly text: string;
  readonly tenantId: string;
  readonly metric: string;
  readonly period: QuotaPeriod;
}

interface Heard {
  /** Epoch ms; null: not known. */
  readonly asOf: number | null;
  readonly ageMs: number;
}

const NOTHING_HEARD: Heard = { asOf: null, ageMs: Infinity };

export class PostgresDecider {
  readonly #pool: Pool;
  readonly #scope: TenantScope;
  readonly #tools: Pick<Tools, 'now' | 'clock'>;
  readonly #policy = new PolicySet();
  readonly #policies = new Policies(this.#policy);
  /** Compiles once for each version of the registry. */
  readonly #engine = new AccessRulesOfRegistry(this.#policy);
  /** Monotonic; null before the registry was read. */
  #readAt: number | null = null;

  constructor(pool: Pool, tools: Pick<Tools, 'now' | 'clock'>, scope: TenantScope) {
    this.#scope = scope;
    this.#pool = pool;
    this.#tools = tools;
  }

  readonly check: Check = async (question) => {
    try {
      const request = toRequest(question, question.correlationId);
      const decision = await this.#decide(question, request);
      this.#requireScope(question.tenantId);
      return { ...showDecision(question.tenantId, decision, true), decidedBy: 'postgres' };
    } catch (error) {
      if (error instanceof InvalidQuestionError)
        throw new ReaderError('refused', error.message, { field: error.field });
      throw error instanceof ReaderError ? error : unavailable(error);
    }
  };

  readonly classOf: ClassOf = async (tenantId) => {
    try {
      await inTransaction(this.#pool, (client) => this.#refresh(client), 'repeatable read');
    } catch (error) {
      throw unavailable(error);
    }
    const place = placeOf(this.#policy, tenantId);
    return place !== null && this.#isWithin(place) ? place.class : null;
  };

  /** By the registry that decided, so that it holds while Postgres is away. */
  #requireScope(tenantId: string): void {
    const place = placeOf(this.#policy, tenantId);
    if (this.#scope === null || (place !== null && this.#isWithin(place))) return;
    throw new ReaderError('refused', `tenant ${tenantId} is not within ${this.#scope}`, {
      field: 'tenantId',
    });
  }

  #isWithin({ lineage }: Place): boolean {
    return this.#scope === null || lineage.includes(this.#scope);
  }

  async #decide(question: CheckedQuestion, request: DecisionRequest): Promise<Decision> {
    try {
      return await inTransaction(
        this.#pool,
        async (client) => {
          await client.query(`SET LOCAL statement_timeout = ${STATEMENT_TIMEOUT_MS}`);
          return this.#decideAt(client, question, request);
        },
        'repeatable read',
      );
    } catch (error) {
      if (!isRetryable(error)) throw error;
      const ageMs = this.#readAt === null ? Infinity : this.#tools.clock() - this.#readAt;
      if (ageMs > MAX_POLICY_AGE_MS) throw error;
      return decide(request, this.#facts(question, request, viewOf(NOTHING_HEARD, new Map())));
    }
  }

  async #decideAt(
    client: PoolClient,
    question: CheckedQuestion,
    request: DecisionRequest,
  ): Promise<Decision> {
    await this.#refresh(client);
    const heard = await this.#hear(client);
    const asked = new Map<string, AskedKey>();
    const first = decide(request, this.#facts(question, request, listening(heard(), asked)));
    if (asked.size === 0) return first;
    const used = new Map<string, Billionths>();
    const metrics = await readMetrics(client);
    for (const key of asked.values()) used.set(key.text, await this.#used(client, key, metrics));
    return decide(request, this.#facts(question, request, viewOf(heard(), used)));
  }

  /** Up to when usage is complete by the server's clock, and how long ago that is: never less than the truth. */
  async #hear(client: PoolClient): Promise<() => Heard> {
    const startedAt = this.#tools.clock();
    const point = await readUsagePoint(client);
    const through = asOf(null, point.progress, null).completeThrough;
    const now = await client.query<{ ms: string }>(
      'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS ms',
    );
    const ageThen = through === null ? Infinity : Math.max(0, Number(now.rows[0]?.ms) - through);
    return () => ({ asOf: through, ageMs: ageThen + (this.#tools.clock() - startedAt) });
  }

  async #used(
    client: PoolClient,
    { tenantId, metric, period }: AskedKey,
    metrics: Awaited<ReturnType<typeof readMetrics>>,
  ): Promise<Billionths> {
    const root = placeOf(this.#policy, tenantId)?.lineage.at(-1) ?? tenantId;
    const now = this.#tools.now();
    const { start, end } = periodsOf(this.#policy, root).of(period, now);
    const registered = metrics.get(metric);
    if (registered === undefined) return 0n;
    const to = Number.isFinite(end) ? end : hourOf(now) + 48 * HOUR_MS;
    const [row] = await readUsage(
      client,
      { tenantId, tenants: 'together', metrics: [metric], from: start, to, by: 'total', maxRows: 1 },
      metrics,
    );
    return row === undefined ? 0n : usedAmount(row, registered.aggregation);
  }

  /** The registry is always that of the snapshot: one look at its version, and what has changed since. */
  async #refresh(client: PoolClient): Promise<void> {
    const found = await client.query<{ version: string }>('SELECT version FROM meterhouse.registry_version');
    // A snapshot from before one that was looked at meanwhile takes nothing back.
    if (this.#readAt === null || BigInt(found.rows[0]?.version ?? 0) > this.#policy.version) {
      const changes = await registryChangesSince(client, this.#readAt === null ? 0n : this.#policy.version);
      for (const document of changes.documents) this.#policy.stage(document);
      this.#policy.complete(changes.version);
    }
    this.#readAt = this.#tools.clock();
  }

  #facts(question: CheckedQuestion, request: DecisionRequest, usage: UsageView): Facts {
    const verdict = this.#engine.evaluate(policyQuestionOf(request, question, this.#policies));
    const now: Now = { wallMs: this.#tools.now(), monotonicMs: this.#tools.clock() };
    return {
      ...NOTHING_ASKED,
      ...{ policies: this.#policies, verdict, usage, now },
      pending: { pending: () => 0n },
    };
  }
}

function freshnessOf({ asOf: through, ageMs }: Heard): ReturnType<UsageView['freshness']> {
  return { asOf: through, ageMs, monotonicAgeMs: ageMs };
}

/** Remembers what it is asked for, and knows nothing of it. */
function listening(heard: Heard, asked: Map<string, AskedKey>): UsageView {
  return {
    freshness: () => freshnessOf(heard),
    read: ({ text }, period) => {
      // As keyOf() writes it; no tenant's or metric's name holds the bar.
      const [tenantId = '', metric = ''] = text.split('|');
      asked.set(text, { text, tenantId, metric, period });
      return { state: 'unknown', reason: 'nothing_heard', ...heard };
    },
  };
}

function viewOf(heard: Heard, used: ReadonlyMap<string, Billionths>): UsageView {
  return {
    freshness: () => freshnessOf(heard),
    read: ({ text }) => {
      const amount = used.get(text);
      if (amount === undefined || heard.asOf === null)
        return { state: 'unknown', reason: 'nothing_heard', ...heard };
      return {
        state: 'known',
        used: formatDecimal(amount),
        ...{ amount, perSecond: 0n, periodStart: 0, asOf: heard.asOf, ageMs: heard.ageMs },
      };
    },
  };
}
