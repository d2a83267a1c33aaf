/**
 * What limits would have done to usage that was recorded: who would have been denied or warned, when
 * first, how often, by how much. Pure; only the running totals of one metric are held.
 *
 * Usage is known by the hour, its order within an hour is not. So an hour counts against a ceiling if
 * the tenant used something in it and the usage that the ceiling caps stood above it at the hour's
 * end. Everything recorded is taken as let through: what is denied by one limit does not make room
 * below another. Documents are in force by their start and expiry; in an hour that one of them cuts,
 * the narrower answer holds. Status, entitlements, rates, headroom and capacity are not looked at.
 */
import { HOUR_MS, usedAmount, type Billionths, type Totals } from '@meterhouse/usage';
import type { Periods } from '@meterhouse/usage/calendar';
import type { Ceiling } from '../decision/ceilings.ts';
import type { Reason } from '../decision/decision.ts';
import { Policies } from '../decision/policies.ts';
import type { TenantClass } from '../registry/documents.ts';
import { periodsOf } from '../registry/billing.ts';
import { placeOf, type Place } from '../registry/lineage.ts';
import type { PolicyView } from '../registry/policy-set.ts';
import { RunningTotals } from './running-totals.ts';

/** A tenant's own usage of a metric in one hour; parts by attributes may come as rows of their own. */
export interface HourUsage extends Readonly<Totals> {
  readonly tenantId: string;
  readonly metric: string;
  /** Start of the hour, epoch ms. */
  readonly hour: number;
}

/** A tenant's own usage of a metric before the first hour; parts may come as rows of their own. */
export type UsageBefore = Omit<HourUsage, 'hour'>;

/** What would have become of requests; `recorded`: nothing, the tenant is internal. */
export type Effect = 'denied' | 'warned' | 'recorded';

/** What one ceiling alone would have done to the requests of one tenant. */
export interface CeilingFinding {
  readonly ceiling: Ceiling;
  readonly effect: Effect;
  readonly reason: Extract<Reason, 'quota_exhausted' | 'quota_warning'>;
  /** Hours in which it would have happened. */
  readonly hours: number;
  /** Start of the first and of the last of them, epoch ms. */
  readonly firstHour: number;
  readonly lastHour: number;
  /** The hour at whose end the most was used. */
  readonly worst: {
    readonly hour: number;
    readonly used: Billionths;
    /** Used less the ceiling; not above 0 for a warning before it. */
    readonly over: Billionths;
  };
}

/** One tenant's requests that use one metric. An hour counts once, as the worst that any ceiling did. */
export interface Verdict {
  readonly tenantId: string;
  readonly metric: string;
  readonly class: TenantClass;
  readonly effects: readonly {
    readonly effect: Effect;
    readonly hours: number;
    readonly firstHour: number;
  }[];
  readonly ceilings: readonly CeilingFinding[];
}

export interface BacktestOptions {
  /** Hours before this one only add up, epoch ms. */
  readonly from: number;
  /** By metric, where totals begin: what was used before the first hour that is added. */
  readonly before?: ReadonlyMap<string, readonly UsageBefore[]>;
  /** Whose requests are judged; everybody's usage counts. */
  readonly judges: (tenantId: string) => boolean;
  /** Findings at most. */
  readonly maxFindings: number;
}

/** So many findings that nobody would read them, and they would not fit. */
export class TooManyFindingsError extends Error {
  override name = 'TooManyFindingsError';
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

interface Judged {
  readonly place: Place;
  readonly effects: Map<Effect, Mutable<Verdict['effects'][number]>>;
  readonly ceilings: Map<string, Mutable<CeilingFinding>>;
}

const SEVERITY: readonly Effect[] = ['recorded', 'warned', 'denied'];

export class Backtest {
  readonly #policies: Policies;
  readonly #options: BacktestOptions;
  readonly #totals = new RunningTotals();
  readonly #places = new Map<string, Place | null>();
  /** By metric, then by tenant. */
  readonly #judged = new Map<string, Map<string, Judged>>();
  #findings = 0;
  #at: { readonly metric: string; readonly hour: number } | null = null;
  readonly #active = new Set<string>();

  constructor(view: PolicyView, options: BacktestOptions) {
    this.#policies = new Policies(view);
    this.#options = options;
  }

  /**
   * @param row metric by metric, and of each hour by hour
   * @throws RangeError where an earlier hour follows a later one; TooManyFindingsError
   */
  add(row: HourUsage): void {
    const { tenantId, metric, hour } = row;
    const at = this.#at;
    if (at?.metric !== metric || at.hour !== hour) {
      this.#endHour();
      if (at?.metric !== metric) this.#begin(metric);
      else if (hour < at.hour) throw new RangeError(`${metric}: hour ${hour} comes after ${at.hour}`);
      this.#at = { metric, hour };
    }
    const place = this.#placeOf(tenantId);
    if (place === null) return;
    this.#totals.add(place.lineage, this.#periodsOf(place), hour, row);
    this.#active.add(tenantId);
  }

  /** Those with any effect, by tenant and metric. */
  end(): readonly Verdict[] {
    this.#endHour();
    this.#at = null;
    return [...this.#judged]
      .flatMap(([metric, tenants]) =>
        [...tenants].map(([tenantId, { place, effects, ceilings }]) => ({
          tenantId,
          metric,
          class: place.class,
          effects: [...effects.values()].sort((a, b) => severity(b.effect) - severity(a.effect)),
          ceilings: [...ceilings.values()],
        })),
      )
      .sort((a, b) => compare(a.tenantId, b.tenantId) || compare(a.metric, b.metric));
  }

  #begin(metric: string): void {
    this.#totals.clear();
    for (const row of this.#options.before?.get(metric) ?? []) {
      const place = this.#placeOf(row.tenantId);
      if (place !== null) this.#totals.addBefore(place.lineage, row);
    }
  }

  /** Of the tenant's tree. */
  #periodsOf({ lineage }: Place): Periods {
    return periodsOf(this.#policies.view, lineage.at(-1) ?? '');
  }

  #placeOf(tenantId: string): Place | null {
    const known = this.#places.get(tenantId);
    if (known !== undefined) return known;
    const place = placeOf(this.#policies.view, tenantId);
    this.#places.set(tenantId, place);
    return place;
  }

  #endHour(): void {
    const at = this.#at;
    if (at !== null && at.hour >= this.#options.from)
      for (const tenantId of this.#active)
        if (this.#options.judges(tenantId)) this.#judge(tenantId, at.metric, at.hour);
    this.#active.clear();
  }

  #judge(tenantId: string, metric: string, hour: number): void {
    const place = this.#placeOf(tenantId);
    const aggregation = this.#policies.view.metric(metric)?.aggregation;
    if (place === null || aggregation === undefined) return;
    const during = { earliest: hour, latest: hour + HOUR_MS - 1 };
    const { active } = this.#policies.ceilings(place.lineage, metric, during);
    let worst: Effect | null = null;
    for (const ceiling of active) {
      const totals = this.#totals.of(ceiling.scope, ceiling.period, this.#periodsOf(place), hour);
      if (totals === null) continue;
      const used = usedAmount(totals, aggregation);
      const reason = reasonOf(ceiling, used);
      if (reason === null) continue;
      const effect = effectOf(ceiling, reason, place.class);
      if (worst === null || severity(effect) > severity(worst)) worst = effect;
      this.#note(this.#judgedOf(tenantId, metric, place), { ceiling, effect, reason }, hour, used);
    }
    if (worst === null) return;
    const { effects } = this.#judgedOf(tenantId, metric, place);
    const known = effects.get(worst);
    if (known === undefined) effects.set(worst, { effect: worst, hours: 1, firstHour: hour });
    else known.hours += 1;
  }

  #note(
    { ceilings }: Judged,
    what: Pick<CeilingFinding, 'ceiling' | 'effect' | 'reason'>,
    hour: number,
    used: Billionths,
  ): void {
    const { scope, period, source, value } = what.ceiling;
    const key = `${scope}|${period}|${source}|${what.reason}`;
    const worst = { hour, used, over: used - value };
    const known = ceilings.get(key);
    if (known === undefined) {
      if (++this.#findings > this.#options.maxFindings)
        throw new TooManyFindingsError(`more than ${this.#options.maxFindings} findings`);
      ceilings.set(key, { ...what, hours: 1, firstHour: hour, lastHour: hour, worst });
      return;
    }
    known.hours += 1;
    known.lastHour = hour;
    if (used > known.worst.used) known.worst = worst;
  }

  #judgedOf(tenantId: string, metric: string, place: Place): Judged {
    let tenants = this.#judged.get(metric);
    if (tenants === undefined) {
      tenants = new Map();
      this.#judged.set(metric, tenants);
    }
    let judged = tenants.get(tenantId);
    if (judged === undefined) {
      judged = { place, effects: new Map(), ceilings: new Map() };
      tenants.set(tenantId, judged);
    }
    return judged;
  }
}

function reasonOf({ value, warnFrom }: Ceiling, used: Billionths): CeilingFinding['reason'] | null {
  if (used > value) return 'quota_exhausted';
  return warnFrom.some((from) => used >= from) ? 'quota_warning' : null;
}

function effectOf(ceiling: Ceiling, reason: CeilingFinding['reason'], tenantClass: TenantClass): Effect {
  if (tenantClass === 'internal') return 'recorded';
  const denies = reason === 'quota_exhausted' && ceiling.mode === 'hard' && tenantClass === 'external';
  return denies ? 'denied' : 'warned';
}

function severity(effect: Effect): number {
  return SEVERITY.indexOf(effect);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
