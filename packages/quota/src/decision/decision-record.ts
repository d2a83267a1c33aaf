/**
 * A decision with everything that it looked at, so that it can be made again a year later. Recording
 * makes the decision a second time with facts that write down what they are asked: decide() is pure,
 * so it comes out the same, and the hot path pays nothing.
 */
import { decimalFromStore, formatDecimal } from '@meterhouse/usage';
import type { PolicyVerdict } from '../policy-port.ts';
import type { Freshness, Now, SnapshotReading } from '../snapshot-table.ts';
import {
  decide,
  type CapacityFact,
  type Facts,
  type PlacesFact,
  type RateFact,
  type StrictFact,
} from './decide.ts';
import type { Decision } from './decision.ts';
import type { Policies } from './policies.ts';
import type { DecisionRequest } from './request.ts';

/** Plain JSON: amounts are decimals, an infinite age is null. */
export interface DecisionRecord {
  readonly id: string;
  /** Epoch ms on the clock of the enforcement point. */
  readonly at: number;
  readonly request: Omit<DecisionRequest, 'usage'> & {
    readonly usage: { readonly metric: string; readonly unit: string; readonly delta: string } | null;
  };
  readonly registryVersion: string;
  readonly verdict: PolicyVerdict;
  readonly strict: StrictFact;
  readonly rate: RateFact;
  readonly places: PlacesFact;
  readonly capacity: CapacityFact;
  /** Of how many such decisions one is kept, in millionths: all of those that deny or warn. */
  readonly keptPpm: number;
  readonly now: Now;
  readonly heard: {
    readonly asOf: number | null;
    readonly ageMs: number | null;
    readonly monotonicAgeMs: number | null;
  };
  readonly readings: Readonly<Record<string, RecordedReading>>;
  /**
   * Let through and not in a snapshot yet, by `scope|metric|since`: monotonic ms of the snapshot that it
   * is counted from. Two periods of a metric may be known as of different snapshots.
   */
  readonly pending: Readonly<Record<string, string>>;
  readonly outcome: Decision['outcome'];
  readonly reason: Decision['reason'];
  readonly enforced: boolean;
  readonly ceiling: RecordedCeiling | null;
}

interface RecordedCeiling {
  readonly scope: string;
  readonly metric: string;
  readonly period: string;
  readonly value: string;
  readonly source: string;
  readonly used: string;
  readonly pending: string;
  readonly remaining: string;
}

type RecordedReading =
  | {
      readonly state: 'known';
      readonly used: string;
      readonly perSecond: string;
      readonly periodStart: number;
      readonly asOf: number;
      readonly ageMs: number | null;
    }
  | { readonly state: 'absent'; readonly asOf: number; readonly ageMs: number | null }
  | {
      readonly state: 'unknown';
      readonly reason: Extract<SnapshotReading, { state: 'unknown' }>['reason'];
      readonly asOf: number | null;
      readonly ageMs: number | null;
    };

/** Every one. */
export const ALL_PPM = 1_000_000;

/** @param keptPpm of how many such decisions one is recorded, in millionths */
export function recordDecision(
  id: string,
  request: DecisionRequest,
  facts: Facts,
  keptPpm: number = ALL_PPM,
): DecisionRecord {
  const readings: Record<string, RecordedReading> = Object.create(null) as Record<string, RecordedReading>;
  const pending: Record<string, string> = Object.create(null) as Record<string, string>;
  const heard = facts.usage.freshness(facts.now);
  const decision = decide(request, {
    ...facts,
    usage: {
      freshness: () => heard,
      read: (key, period, now) => {
        const reading = facts.usage.read(key, period, now);
        readings[key.text] = toRecorded(reading);
        return reading;
      },
    },
    pending: {
      pending: (scope, metric, sinceMs) => {
        const amount = facts.pending.pending(scope, metric, sinceMs);
        pending[pendingKey(scope, metric, sinceMs)] = formatDecimal(amount);
        return amount;
      },
    },
  });
  const { usage } = request;
  return {
    id,
    at: facts.now.wallMs,
    request: { ...request, usage: usage === null ? null : { ...usage, delta: formatDecimal(usage.delta) } },
    registryVersion: decision.evidence.registryVersion.toString(),
    verdict: facts.verdict,
    strict: facts.strict,
    rate: facts.rate,
    places: facts.places,
    capacity: facts.capacity,
    keptPpm,
    now: facts.now,
    heard: { asOf: heard.asOf, ageMs: finite(heard.ageMs), monotonicAgeMs: finite(heard.monotonicAgeMs) },
    readings,
    pending,
    ...summaryOf(decision),
  };
}

type Summary = Pick<DecisionRecord, 'outcome' | 'reason' | 'enforced' | 'ceiling'>;

function summaryOf({ outcome, reason, enforced, quota }: Decision): Summary {
  if (quota === null) return { outcome, reason, enforced, ceiling: null };
  const { scope, metric, period, value, source } = quota.ceiling;
  const ceiling = {
    scope,
    metric,
    period,
    value: formatDecimal(value),
    source,
    used: formatDecimal(quota.used),
    pending: formatDecimal(quota.pending),
    remaining: formatDecimal(quota.remaining),
  };
  return { outcome, reason, enforced, ceiling };
}

export interface Replay {
  readonly decision: Decision;
  readonly request: DecisionRequest;
  readonly facts: Facts;
  /** Whether it comes out as it was recorded: outcome, reason and ceiling. */
  readonly same: boolean;
  /** What does not; empty when it is the same. */
  readonly differences: readonly Difference[];
}

export interface Difference {
  /** Such as `reason` or `ceiling.value`. */
  readonly field: string;
  readonly recorded: string;
  readonly replayed: string;
}

/**
 * Makes the decision again.
 * @param policies the registry at the record's version
 * @throws Error where the decision asks for what was not recorded, because the code has changed since
 */
export function replayDecision(record: DecisionRecord, policies: Policies): Replay {
  const { usage } = record.request;
  const request: DecisionRequest = {
    ...record.request,
    usage: usage === null ? null : { ...usage, delta: decimalFromStore(usage.delta) },
  };
  const facts: Facts = {
    policies,
    verdict: record.verdict,
    strict: record.strict,
    rate: record.rate,
    places: record.places,
    capacity: record.capacity,
    now: record.now,
    usage: {
      freshness: (): Freshness => ({
        asOf: record.heard.asOf,
        ageMs: record.heard.ageMs ?? Infinity,
        monotonicAgeMs: record.heard.monotonicAgeMs ?? Infinity,
      }),
      read: (key) => fromRecorded(found(record.readings, key.text)),
    },
    pending: {
      pending: (scope, metric, sinceMs) =>
        decimalFromStore(found(record.pending, pendingKey(scope, metric, sinceMs))),
    },
  };
  const decision = decide(request, facts);
  const differences = differencesOf(record, summaryOf(decision));
  return { decision, request, facts, same: differences.length === 0, differences };
}

/** Field by field: Postgres' jsonb gives the keys back in an order of its own. */
function differencesOf(recorded: Summary, replayed: Summary): Difference[] {
  const before = fieldsOf(recorded);
  return [...fieldsOf(replayed)]
    .map(([field, text]) => ({ field, recorded: before.get(field) ?? 'nothing', replayed: text }))
    .filter((each) => each.recorded !== each.replayed);
}

const CEILING_FIELDS = [
  'scope',
  'metric',
  'period',
  'value',
  'source',
  'used',
  'pending',
  'remaining',
] as const satisfies readonly (keyof RecordedCeiling)[];

function fieldsOf({ outcome, reason, enforced, ceiling }: Summary): Map<string, string> {
  const fields = new Map([
    ['outcome', outcome],
    ['reason', reason],
    ['enforced', String(enforced)],
  ]);
  for (const field of CEILING_FIELDS) fields.set(`ceiling.${field}`, ceiling?.[field] ?? 'none');
  return fields;
}

function pendingKey(scope: string, metric: string, sinceMs: number): string {
  return `${scope}|${metric}|${sinceMs}`;
}

function found<T>(recorded: Readonly<Record<string, T>>, key: string): T {
  if (!Object.hasOwn(recorded, key)) throw new Error(`the record does not say anything of ${key}`);
  return recorded[key] as T;
}

function toRecorded(reading: SnapshotReading): RecordedReading {
  const ageMs = finite(reading.ageMs);
  if (reading.state !== 'known') return { ...reading, ageMs };
  const { used, perSecond, periodStart, asOf } = reading;
  return { state: 'known', used, perSecond: formatDecimal(perSecond), periodStart, asOf, ageMs };
}

function fromRecorded(recorded: RecordedReading): SnapshotReading {
  const ageMs = recorded.ageMs ?? Infinity;
  if (recorded.state !== 'known') return { ...recorded, ageMs };
  const { used, perSecond, periodStart, asOf } = recorded;
  return {
    state: 'known',
    used,
    amount: decimalFromStore(used),
    perSecond: decimalFromStore(perSecond),
    periodStart,
    asOf,
    ageMs,
  };
}

function finite(ms: number): number | null {
  return Number.isFinite(ms) ? ms : null;
}
