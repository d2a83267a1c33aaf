/**
 * What is known of a tenant's own usage of a metric: the buckets of its hours one by one, and of those
 * before them one sum, where a total needs it. Known is only what the next difference is taken from.
 * Pure.
 */
import { DAY_MS, type Period, type Totals } from '@meterhouse/usage';
import type { CurrentPeriods } from './current-periods.ts';

/** What one usage message is about. */
export interface UsageKey {
  readonly tenantId: string;
  readonly metric: string;
  readonly period: Period;
}

interface Part {
  readonly start: number;
  readonly totals: Totals;
}

export interface Rollup extends UsageKey {
  readonly current: CurrentPeriods;
  /** The current period and those begun in advance, few. */
  parts: Part[];
}

export interface Known {
  revision: bigint;
  sum: bigint;
  count: bigint;
}

/** Totals that are about to be rollups too: they get all of it, not the difference to what is known. */
interface Joining {
  readonly rollups: readonly Rollup[];
  /** Meanwhile the hours held stay as they are. */
  readonly heldFrom: number;
}

export interface OwnUsage {
  readonly current: CurrentPeriods;
  readonly rollups: Rollup[];
  joining: Joining | null;
  /** Known buckets by attrs and hour. */
  readonly hours: Map<string, Map<number, Known>>;
  /** All hours before; null: nothing was counted in them, or no total has it. */
  past: Known | null;
}

/** Hours of totals are held a little longer than their month: what is late by less reads nothing again. */
export const LATE_MS = 2 * DAY_MS;

/** Start of the earliest hour whose buckets are known one by one. */
export function heldFrom(own: OwnUsage): number {
  if (own.joining !== null) return own.joining.heldFrom;
  const { start } = own.current.of('month');
  return hasTotal(own) ? start - LATE_MS : start;
}

export function hasTotal({ rollups, joining }: OwnUsage): boolean {
  return joining !== null || rollups.some(({ period }) => period === 'total');
}

export function join(own: OwnUsage, rollups: readonly Rollup[]): void {
  own.joining = { rollups, heldFrom: own.current.of('month').start - LATE_MS };
}

export function hoursOf(own: OwnUsage, attrsKey: string): Map<number, Known> {
  let hours = own.hours.get(attrsKey);
  if (hours === undefined) {
    hours = new Map();
    own.hours.set(attrsKey, hours);
  }
  return hours;
}

export function knownOf({ revision, sum, count }: Known): Known {
  return { revision, sum, count };
}

export function lessKnown(now: Readonly<Totals>, known: Known): Readonly<Totals> {
  return { ...now, sum: now.sum - known.sum, count: now.count - known.count };
}

/**
 * Forgets hours that are held no longer; a total keeps their sum.
 * @returns how many less are known
 */
export function forgetPast(own: OwnUsage): number {
  const from = heldFrom(own);
  const keeps = hasTotal(own);
  let less = 0;
  for (const [attrs, hours] of own.hours) {
    for (const [hour, known] of hours) {
      if (hour >= from) continue;
      hours.delete(hour);
      if (keeps && own.past === null) {
        own.past = { ...known };
        continue;
      }
      if (keeps && own.past !== null) addKnown(own.past, known);
      less += 1;
    }
    if (hours.size === 0) own.hours.delete(attrs);
  }
  return less;
}

function addKnown(into: Known, from: Known): void {
  into.revision += from.revision;
  into.sum += from.sum;
  into.count += from.count;
}

/** Nothing of it is known, and nothing waits for it. */
export function isEmpty({ hours, past, joining }: OwnUsage): boolean {
  return hours.size === 0 && past === null && joining === null;
}
